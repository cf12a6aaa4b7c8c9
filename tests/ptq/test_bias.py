"""Bias correction: means by channel agree with float afterwards, in the layers and at the end."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, fx, nn

import qat
from qat.backends.fx import fake_quantized, float_view
from qat.backends.scales import freeze_scales
from qat.program.lower import program_of
from qat.ptq.bias import BiasCorrection, correct_biases
from tests.networks import Block, pictures, shuffle_norms

SHAPE = (2, 3, 16, 24)


def batches() -> Iterator[Tensor]:
    yield from pictures(SHAPE, 12)


@pytest.fixture(scope="module")
def rough() -> fx.GraphModule:
    """A calibrated graph whose weights lie on 5 levels: rounding them moves every mean."""
    torch.manual_seed(3)
    graph = qat.prepare(qat.rewrite(shuffle_norms(Block()).eval(), pictures(SHAPE)[0], "x86"))
    qat.calibrate(graph, batches())
    freeze_scales(graph)
    for module in graph.modules():
        if isinstance(module, nn.Conv2d):
            module.weight_scale *= 32
    return graph


@pytest.fixture(scope="module")
def corrected(rough: fx.GraphModule) -> tuple[fx.GraphModule, BiasCorrection]:
    graph = copy.deepcopy(rough)
    return graph, correct_biases(graph, batches, float_view(graph))


def means(model: nn.Module) -> Tensor:
    with torch.no_grad():
        return torch.stack([model(batch).mean((0, 2, 3)) for batch in batches()]).mean(0)


def test_the_outputs_means_come_back(rough: fx.GraphModule, corrected: tuple[fx.GraphModule, BiasCorrection]) -> None:
    wanted = means(float_view(rough))
    before = (means(fake_quantized(rough)) - wanted).abs().max()
    after = (means(fake_quantized(corrected[0])) - wanted).abs().max()
    assert after < 0.25 * before


def test_only_biases_change(rough: fx.GraphModule, corrected: tuple[fx.GraphModule, BiasCorrection]) -> None:
    before, after = rough.state_dict(), corrected[0].state_dict()
    changed = {name for name, value in after.items() if not torch.equal(value, before[name])}
    assert changed == {f"{correction.layer}.bias" for correction in corrected[1].corrected}


def test_the_report_names_every_layer_and_its_change(corrected: tuple[fx.GraphModule, BiasCorrection]) -> None:
    report = corrected[1]
    assert [correction.layer for correction in report.corrected] == ["stem.0.0", "conv", "gate", "tail"]
    assert all(correction.largest > 0 for correction in report.corrected)
    assert report.skipped == (("mean", "it has no bias"), ("deep.0", "it has no bias"))


def test_later_stages_take_the_corrected_biases(corrected: tuple[fx.GraphModule, BiasCorrection]) -> None:
    graph, picture = corrected[0], next(batches())
    with torch.no_grad():
        calib, int8 = fake_quantized(graph)(picture), qat.convert(graph)(picture)
    assert (calib - int8).abs().mean() < 0.05 * calib.abs().mean()
    tail = program_of(graph, picture).steps[-1]
    assert tail.weight is not None
    assert torch.equal(torch.from_numpy(tail.weight.bias), graph.get_submodule("tail").bias)


def test_progress_and_no_pictures(rough: fx.GraphModule) -> None:
    seen: list[int] = []
    graph = copy.deepcopy(rough)
    correct_biases(graph, batches, after_batch=seen.append)
    assert seen == list(range(1, 13))
    with pytest.raises(qat.UserError, match="bias correction got no images"):
        correct_biases(graph, [])
