"""The networks go into int8 and into a file in which every tensor agrees."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import qat
from qat.models import yolov5
from qat.models.litehrnet.network import SegmentationNetwork, Size
from qat.models.yolov5.network import YOLOv5
from tests.equality import tensors_of

CLASSES = 4
REGISTERED = ("bisenetv1", "bisenetv2", "ddrnet23_slim", "mnasnet0_5")
SIZE = (64, 64)


@pytest.fixture(scope="module")
def pictures() -> list[Tensor]:
    """Smooth noise, (2, 3, height, width)."""
    generator = torch.Generator().manual_seed(0)
    return [F.interpolate(torch.randn(2, 3, 8, 8, generator=generator), SIZE, mode="bilinear") for _ in range(3)]


def settled(network: nn.Module, pictures: list[Tensor]) -> nn.Module:
    """The network with random weights and the pictures' own statistics."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # the mean over all batches
    with torch.no_grad():
        for batch in pictures:
            network.train()(batch)
    return network.eval()


def small_lite_hrnet() -> nn.Module:
    """All of Lite-HRNet's kinds of modules, one of each; the registered ones take minutes."""
    return SegmentationNetwork(Size((8, 16, 32, 64), (1, 1, 1), ratio=4), CLASSES)


NARROW = yolov5.Size(0.33, 0.125)
NETWORKS: dict[str, Callable[[], nn.Module]] = {
    **{name: partial(qat.build_model, name, CLASSES) for name in REGISTERED},
    "yolov5": partial(YOLOv5, NARROW, CLASSES, release=5),
    "lite_hrnet": small_lite_hrnet,
}


def single(pictures: list[Tensor]) -> Iterator[Tensor]:
    for batch in pictures:
        yield from batch.split(1)


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_becomes_int8_and_a_proven_file(name: str, pictures: list[Tensor], tmp_path: Path) -> None:
    torch.manual_seed(0)
    network, picture = settled(NETWORKS[name](), pictures), pictures[0][:1]
    calibrated = qat.prepare(qat.rewrite(network, picture, "x86"), qat.QuantSpec(weight_observer="min_max"))
    qat.calibrate(calibrated, single(pictures))
    written = qat.export_onnx(calibrated, tmp_path / "net.onnx", picture, runtime="ort")
    assert written.tensors_compared > 50
    int8, reached, expected = (
        list(tensors_of(stage(picture))) for stage in (qat.convert(calibrated), qat.fake_quantized(calibrated), network)
    )
    assert [output.shape for output in int8] == [output.shape for output in expected]
    for output, calib in zip(int8, reached, strict=True):
        assert (output - calib).square().mean() < 0.2 * calib.square().mean()
