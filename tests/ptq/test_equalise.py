"""Equalisation as a whole: the function stays, bad scales are undone, dead channels do no harm, the report is right."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, fx, nn

import qat
from qat.backends.fx import float_view
from qat.ptq.equalise import Equalisation, equalize
from qat.ptq.equalise import run as scale
from qat.ptq.equalise.factors import channel_ranges
from tests.networks import Block, pictures, shuffle_norms
from tests.ptq.equalising import CASES, Case, prepared
from tests.ptq.rescaling import rescale

SHAPE = (2, 3, 16, 24)


class Rows(nn.Module):
    """Convolutions with BN and ReLU between them, a depthwise one among them."""

    def __init__(self) -> None:
        super().__init__()
        row = [(3, 16, 1), (16, 16, 16), (16, 16, 1), (16, 8, 4)]
        layers = [(nn.Conv2d(i, o, 3, padding=1, groups=g), nn.BatchNorm2d(o), nn.ReLU()) for i, o, g in row]
        self.rows = nn.Sequential(*(layer for block in layers for layer in block), nn.Conv2d(8, 4, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.rows(x)


@pytest.fixture(scope="module")
def rows() -> nn.Module:
    torch.manual_seed(0)
    return shuffle_norms(Rows()).eval()


def images(count: int = 3) -> list[Tensor]:
    return pictures(SHAPE, count)


def prepare(model: nn.Module) -> fx.GraphModule:
    return qat.prepare(qat.rewrite(model, images()[0], "x86"), qat.QuantSpec(observer="min_max"))


def equalised(graph: fx.GraphModule) -> Equalisation:
    return equalize(graph, images(), images()[0])


def sqnr(model: nn.Module, graph: fx.GraphModule) -> float:
    """Of the calibrated graph against the float model, in dB, on a new picture, without the channels' means."""
    qat.calibrate(graph, images())
    picture = pictures(SHAPE, 1, seed=9)[0]
    with torch.no_grad():
        wanted, got = model(picture), qat.fake_quantized(graph)(picture)
    signal = wanted - wanted.mean((0, 2, 3), keepdim=True)
    return float(10 * torch.log10(signal.square().sum() / (wanted - got).square().sum()))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_min_max_collapses_on_rescaled_channels_and_equalisation_brings_it_back(rows: nn.Module, seed: int) -> None:
    spoilt = rescale(rows, seed)
    plain, saved, unspoilt = prepare(spoilt), prepare(spoilt), prepare(rows)
    equalised(saved)
    equalised(unspoilt)
    assert sqnr(rows, plain) < 10
    assert sqnr(rows, saved) > 25
    assert sqnr(rows, saved) == pytest.approx(sqnr(rows, unspoilt), abs=2)


def test_a_good_network_loses_nothing(rows: nn.Module) -> None:
    plain, graph = prepare(rows), prepare(rows)
    equalised(graph)
    assert sqnr(rows, graph) > sqnr(rows, plain) - 0.5


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_it_computes_stays_the_same(case: Case) -> None:
    graph = prepared(case)
    before = float_view(graph)(pictures()[0])
    report = equalize(graph, pictures(), pictures()[0])
    torch.testing.assert_close(float_view(graph)(pictures()[0]), before, rtol=1e-4, atol=1e-5)
    assert report.difference <= 1e-5


def test_dead_channels_and_unread_ones_do_no_harm(rows: nn.Module) -> None:
    spoilt = rescale(rows, 0)
    with torch.no_grad():
        for norm in (spoilt.rows[1], spoilt.rows[7]):
            norm.weight[2], norm.bias[2] = 0.0, 0.0  # gives 0 everywhere
        spoilt.rows[3].weight[5] = 0.0  # reads nothing
    graph = prepare(spoilt)
    report = equalised(graph)
    assert all(parameter.isfinite().all() for parameter in graph.parameters())
    assert all(group.largest < 2**10 for group in report.groups)
    assert sqnr(spoilt, graph) > 25


def test_the_report_says_which_tensors_share_factors_and_which_have_none() -> None:
    torch.manual_seed(3)
    report = equalised(prepare(shuffle_norms(Block()).eval()))
    stem = next(group for group in report.applied if "stem.0" in group.makers)
    assert {"stem_0", "conv", "relu"} <= {name.split("_1")[0] for name in stem.tensors}
    assert {"conv", "norm"} <= set(stem.readers)
    assert stem.largest > 1
    assert any("read by sigmoid" in reason for group in report.refused for reason in group.refused)
    assert all(group.largest == 1 for group in report.refused)


def test_only_finished_calibrations_have_statistics(rows: nn.Module) -> None:
    graph = prepare(rows)
    equalised(graph)
    assert {why for _, why in qat.backends.scales.dead_observers(graph)} == {"never seen"}


def test_no_pictures_are_refused(rows: nn.Module) -> None:
    with pytest.raises(qat.UserError, match="equalisation got no images"):
        channel_ranges(prepare(rows), [])


def test_a_wrong_group_changes_nothing_and_is_reported(rows: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = prepare(rows)
    before = {name: value.clone() for name, value in graph.state_dict().items()}
    monkeypatch.setattr(scale, "_scaled", lambda layer, read, made: layer.weight.double() * made.view(-1, 1, 1, 1))
    with pytest.raises(qat.UserError, match="would change the network's outputs"):
        equalised(graph)
    assert all(torch.equal(value, before[name]) for name, value in graph.state_dict().items())
