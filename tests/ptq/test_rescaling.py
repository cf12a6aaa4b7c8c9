"""The tool that rescales a network keeps its function."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

import qat
from tests.networks import shuffle_norms
from tests.ptq.rescaling import RESIDUAL, Stream, inside, rescale


@pytest.fixture(scope="module")
def pidnet() -> nn.Module:
    torch.manual_seed(0)
    return shuffle_norms(qat.build_model("pidnet_s", 11)).eval()


def picture() -> Tensor:
    return torch.randn(1, 3, 64, 128, generator=torch.Generator().manual_seed(1))


def run(model: nn.Module) -> Tensor:
    with torch.no_grad():
        return copy.deepcopy(model).double()(picture().double())


@pytest.mark.parametrize("residual", [(), RESIDUAL], ids=["inside blocks", "residual streams too"])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_function_stays_equal(pidnet: nn.Module, residual: tuple[Stream, ...], seed: int) -> None:
    scaled = rescale(pidnet, seed, residual=residual)
    expected, got = run(pidnet), run(scaled)
    assert (got - expected).abs().max() <= 1e-4 * expected.abs().max()


def test_scales_spread_as_far_as_asked(pidnet: nn.Module) -> None:
    scaled = rescale(pidnet, 0, power=6)
    ratio = scaled.get_submodule("layer4.0.bn1").weight / pidnet.get_submodule("layer4.0.bn1").weight
    assert 30 < ratio.max() <= 64
    assert 1 / 64 <= ratio.min() < 1 / 30
    assert 0.3 < (ratio == 1).float().mean() < 0.7


def test_every_block_is_found(pidnet: nn.Module) -> None:
    makers = {maker for names, _ in inside(pidnet) for maker in names}
    assert {
        "conv1.1",
        "layer1.0.bn1",
        "layer5.1.bn2",
        "spp.scale3.1",
        "spp.scale_process.0",
        "final_layer.bn2",
    } <= makers
