"""Concatenations of parts that lie on several grids."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

import qat
from qat.deploy.sessions.openvino import core


class Stem(nn.Module):
    """A max-pooling beside a convolution, as in BiSeNetV2's stem."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.beside = nn.Conv2d(3, 16, 3, 2, 1), nn.Conv2d(16, 16, 3, 2, 1)
        self.pool, self.tail = nn.MaxPool2d(3, 2, 1), nn.Conv2d(32, 4, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        return self.tail(torch.cat([self.beside(x).relu(), self.pool(x)], 1))


@pytest.mark.parametrize("runtime", ["plain", "openvino"])
def test_openvino_says_what_onnx_runtime_says(runtime: str, tmp_path: Path) -> None:
    pytest.importorskip("openvino", reason="needs the extra runtimes: no openvino")
    torch.manual_seed(0)
    pictures = [torch.randn(1, 3, 32, 32) for _ in range(2)]
    calibrated = qat.prepare(qat.rewrite(Stem().eval(), pictures[0], "x86"))
    qat.calibrate(calibrated, pictures)
    path = tmp_path / "stem.onnx"
    qat.export_onnx(calibrated, path, pictures[0], runtime=runtime)
    (expected,) = onnxruntime.InferenceSession(path).run(None, {"image": pictures[0].numpy()})
    found = core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(pictures[0].numpy())[0]
    assert np.abs(found - expected).max() < 0.02 * np.abs(expected).max()
