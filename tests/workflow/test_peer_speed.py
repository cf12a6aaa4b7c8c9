"""Ours beside the peers': what is compared with what, and what is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from qat.compile.perf.timing import Failure, Timing
from qat.errors import UserError
from qat.workflow.peer_speed import NNCF, STATIC, _form, bench_peers
from tests.compile import blocks
from tests.compile.unimportable import without

ACCURACY: Any = object()
TIMES = {
    ("ours, a.onnx", "openvino"): Timing(5.0, 6.0),
    ("ours, b.onnx", "ort"): Failure("no such op"),
    (NNCF, "openvino"): Timing(10.0, 11.0),
    (STATIC.format("u8"), "ort"): Timing(8.0, 9.0),
    (STATIC.format("s8"), "ort"): Timing(12.0, 13.0),
}


def test_each_is_held_against_the_peer_in_its_runtime() -> None:
    shares = {key: _form(key, TIMES, ACCURACY).of_peer for key in TIMES}
    assert [*shares.values()] == [0.5, None, 1.0, 1.0, 1.5]
    failed = _form(("ours, b.onnx", "ort"), TIMES, ACCURACY)
    assert (failed.median_ms, failed.p90_ms, failed.accuracy) == (None, None, ACCURACY)


def test_without_nncf_it_is_one_line(tmp_path: Path) -> None:
    with (
        without("nncf"),
        pytest.raises(UserError, match=r"^nncf is not installed; pip install nncf \("),
    ):
        bench_peers(blocks.options(tmp_path))
