"""One file of a calibrated graph: proven, or not written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

import qat
from qat.backends.fx import fake_quantized
from qat.backends.scales import freeze_scales
from qat.backends.weight_scales import keep_in_float
from qat.compile import export_onnx as module
from qat.compile.network import Network
from qat.compile.onnx.values import SPELLINGS
from qat.compile.onnx.writer import to_onnx
from qat.errors import UserError
from tests.compile.small import block, run, torch_says
from tests.compile.unimportable import without
from tests.networks import BLOCK, Block, pictures

pytest.importorskip("onnxruntime", reason="files are proven in the extra: runtimes")


@pytest.fixture(scope="module")
def network() -> Network:
    return block()


@pytest.mark.parametrize("runtime", SPELLINGS)
def test_the_file_is_what_compile_writes_and_says_what_calib_says(
    runtime: str, network: Network, tmp_path: Path
) -> None:
    written = qat.export_onnx(network.prepared, tmp_path / "a.onnx", network.example, runtime)
    model, picture = onnx.load(written.path), pictures(BLOCK, 1, 7)[0]
    assert model == to_onnx(network.program, SPELLINGS[runtime])
    found, expected = run(model, picture), torch_says(network.calib, picture)
    assert np.linalg.norm(found - expected) < 0.05 * np.linalg.norm(expected)
    assert written.tensors_compared > 10
    assert written.largest_share_one_step_off < 0.05


def test_a_file_that_departs_is_not_written(network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def spoilt(*given: Any) -> onnx.ModelProto:
        model = to_onnx(*given)
        weight = next(constant for constant in model.graph.initializer if constant.name.endswith("weight_scale"))
        larger = onnx.numpy_helper.to_array(weight) * np.float32(1.2)
        weight.CopyFrom(onnx.numpy_helper.from_array(larger, weight.name))
        return model

    monkeypatch.setattr(module, "to_onnx", spoilt)
    with pytest.raises(UserError, match=r"a.onnx isn't written: .* is off by up to .* scale steps"):
        qat.export_onnx(network.prepared, tmp_path / "a.onnx", network.example)
    assert not list(tmp_path.iterdir())


def test_without_onnx_runtime_it_is_one_line_before_anything_is_computed(tmp_path: Path) -> None:
    """The proof needs it; this was a traceback."""
    with without("onnxruntime"), pytest.raises(UserError) as seen:
        qat.export_onnx(None, tmp_path / "a.onnx", None)  # type: ignore[arg-type]
    assert str(seen.value) == 'onnxruntime is not installed; pip install "rtseg-qat[runtimes]"'


def test_what_it_refuses(network: Network, tmp_path: Path) -> None:
    path, example = tmp_path / "a.onnx", network.example
    with pytest.raises(UserError, match=r"^unknown runtime openvin of an ONNX file; did you mean openvino\?$"):
        qat.export_onnx(network.prepared, path, example, "openvin")
    with pytest.raises(UserError, match=r"takes what qat.prepare gave, calibrated; this network has no observers"):
        qat.export_onnx(Block(), path, example)  # type: ignore[arg-type]
    fresh = qat.prepare(qat.rewrite(Block().eval(), example, "x86"))
    with pytest.raises(UserError, match=r"isn't calibrated: its observers saw no picture; call qat.calibrate first"):
        qat.export_onnx(fresh, path, example)
    assert not list(tmp_path.iterdir())


def test_a_layer_in_float_behind_integers_is_written_for_every_runtime(tmp_path: Path) -> None:
    layers = [torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.ReLU(), torch.nn.Conv2d(8, 4, 1)]
    picture = pictures(BLOCK, 1, 7)[0]
    calibrated = qat.prepare(qat.rewrite(torch.nn.Sequential(*layers).eval(), picture, "x86"))
    qat.calibrate(calibrated, [picture])
    freeze_scales(calibrated)
    keep_in_float(calibrated.get_submodule("2"))
    for runtime in SPELLINGS:
        written = qat.export_onnx(calibrated, tmp_path / f"{runtime}.onnx", picture, runtime)
        found, expected = run(onnx.load(written.path), picture), torch_says(fake_quantized(calibrated), picture)
        assert np.abs(found - expected).max() < 0.02 * np.abs(expected).max()  # a rounding or two
