"""The networks go into int8 and into a file in which every tensor agrees."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import qat

CLASSES = 4
SIZE = (64, 96)


@pytest.fixture(scope="module")
def pictures() -> list[Tensor]:
    """Smooth noise, (2, 3, height, width)."""
    generator = torch.Generator().manual_seed(0)
    return [F.interpolate(torch.randn(2, 3, 8, 12, generator=generator), SIZE, mode="bilinear") for _ in range(3)]


def settled(name: str, pictures: list[Tensor]) -> nn.Module:
    """The network with random weights and the pictures' own statistics."""
    torch.manual_seed(0)
    network = qat.build_model(name, CLASSES)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # the mean over all batches
    with torch.no_grad():
        for batch in pictures:
            network.train()(batch)
    return network.eval()


def single(pictures: list[Tensor]) -> Iterator[Tensor]:
    for batch in pictures:
        yield from batch.split(1)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bisenetv1", "bisenetv2", "ddrnet23_slim", "mnasnet0_5"])
def test_a_network_becomes_int8_and_a_proven_file(name: str, pictures: list[Tensor], tmp_path: Path) -> None:
    network, picture = settled(name, pictures), pictures[0][:1]
    calibrated = qat.prepare(qat.rewrite(network, picture, "x86"))
    qat.calibrate(calibrated, single(pictures))
    written = qat.export_onnx(calibrated, tmp_path / "net.onnx", picture, runtime="ort")
    assert written.tensors_compared > 50
    logits, float_logits = qat.convert(calibrated)(picture), network(picture)
    assert logits.shape == float_logits.shape
    reached = qat.fake_quantized(calibrated)(picture)
    distance = (logits - reached).square().mean() / reached.square().mean()
    assert distance < 0.2
