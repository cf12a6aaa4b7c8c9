"""A converted file that computes something else is found."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from qat.deploy.sessions.captured import captured_output

pytest.importorskip("onnxruntime", reason="needs the extra: runtimes")

from qat.errors import UserError
from qat.runtimes.conversion import check_conversion, error
from qat.runtimes.ort import Ort


def test_the_same_network_passes_and_another_does_not(artefacts: Path, tmp_path: Path) -> None:
    check_conversion(Ort(), artefacts / "float.onnx", artefacts / "float.onnx")
    check_conversion(Ort(), artefacts / "u8.onnx", artefacts / "float.onnx")
    model = onnx.load(artefacts / "float.onnx")
    weight = max(model.graph.initializer, key=lambda constant: len(constant.raw_data))
    weight.CopyFrom(numpy_helper.from_array(-numpy_helper.to_array(weight), weight.name))
    onnx.save(model, tmp_path / "other.onnx")
    with pytest.raises(UserError, match=r"^ort's converter misread .*float.onnx: its file's output is off by \d+%"):
        check_conversion(Ort(), tmp_path / "other.onnx", artefacts / "float.onnx")


def test_the_error() -> None:
    ones = np.ones((2, 3))
    assert error(ones * 1.1, ones) == pytest.approx(0.1)
    assert error(ones[:1], ones) == float("inf")
    assert np.isnan(error(ones * np.nan, ones))  # not below any tolerance
    assert error(np.array([0, 1, 2, 3]), np.array([0, 1, 2, 2])) == 0.25


def test_it_catches_what_c_writes_and_gives_the_streams_back(capfd: pytest.CaptureFixture[str]) -> None:
    with captured_output() as said:
        os.write(1, b"out\n")
        os.write(2, b"err\n")
        said.seek(0)
        assert said.read() == "out\nerr\n"
    os.write(1, b"again\n")
    assert capfd.readouterr() == ("again\n", "")
