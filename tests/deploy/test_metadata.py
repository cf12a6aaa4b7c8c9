"""What a file says of itself is read from each format, and what is missing or damaged is one line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from qat.deploy.facts import facts_of
from qat.deploy.metadata import onnx_metadata, read_facts
from qat.deploy.pictures import network_input
from qat.errors import UserError
from tests.deploy.files import FACTS, texts, write_file


def test_an_onnx_file_is_read_without_onnx(tmp_path: Path) -> None:
    path = write_file(tmp_path / "model.onnx")
    assert onnx_metadata(path.read_bytes()) == texts()
    facts = read_facts(path)
    assert (facts.task, facts.size, facts.picture, facts.classes[1]) == ("segmentation", (32, 48), (30, 44), "car")
    assert (facts.parameters, facts.macs, facts.pixels, facts.form) == (1234, 56789, False, "float")


def test_openvinos_own_format_keeps_what_the_onnx_file_said(tmp_path: Path) -> None:
    openvino = pytest.importorskip("openvino", reason="needs the extra: runtimes")
    path = write_file(tmp_path / "model.onnx")
    openvino.save_model(openvino.Core().read_model(path), tmp_path / "model.xml", compress_to_fp16=False)
    assert str(read_facts(tmp_path / "model.xml")) == str(read_facts(path))


def test_other_formats_have_a_file_beside_them(tmp_path: Path) -> None:
    (tmp_path / "a.mnn").write_bytes(b"")
    with pytest.raises(UserError, match=r"a.mnn doesn't say its task, input, .*model.json beside it"):
        read_facts(tmp_path / "a.mnn")
    (tmp_path / "model.json").write_text(json.dumps(FACTS))
    assert read_facts(tmp_path / "a.mnn").network == "tiny"


@pytest.mark.parametrize("count", [1, 1000, -1])
def test_a_cut_file_is_one_line(count: int, tmp_path: Path) -> None:
    path = write_file(tmp_path / "model.onnx")
    path.write_bytes(path.read_bytes()[:count])
    with pytest.raises(UserError, match=r"model.onnx (is damaged|doesn't say)"):
        read_facts(path)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"input": {"height": 4}}, "KeyError.'width'"),
        ({"input": FACTS["input"] | {"layout": "NHWC"}}, "NHWC RGB: NCHW RGB is read"),
        ({"palette": [[1, 2]]}, "can.t reshape|cannot reshape"),
        ({"mean": "grey"}, "could not convert"),
        ({"input": [1, 2]}, "AttributeError"),
    ],
)
def test_damaged_facts_are_one_line(changed: dict[str, object], said: str) -> None:
    with pytest.raises(UserError, match=f"the file has damaged facts .*({said}).*compile it again"):
        facts_of(texts(**changed))


def test_raw_pixels_are_padded_with_the_level_nearest_to_the_mean() -> None:
    facts = facts_of(FACTS | {"input": FACTS["input"] | {"type": "uint8"}, "mean": [0.2, 0.4, 0.6]})
    x = network_input(np.full((60, 88, 3), 7, np.uint8), facts)
    assert (x.shape, x.dtype) == ((1, 3, 32, 48), np.uint8)
    assert x[0, :, 31, 47].tolist() == [51, 102, 153]
    assert (x[0, :, :30, :44] == 7).all()
