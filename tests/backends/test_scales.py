"""Scales are settled once; tensors kept in more bits are kept in every later stage."""

from __future__ import annotations

import pytest
import torch
from torch import fx, nn

import qat
from qat.backends.scales import freeze_scales, keep_bits, kept_bits, quantisers, reset_scales
from qat.backends.weight_scales import keep_in_float, weighted
from qat.errors import UserError
from qat.program.lower import program_of

SHAPE = (1, 3, 16, 24)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU())
        self.second = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.ReLU())
        self.last = nn.Conv2d(8, 4, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.first(x)
        small = nn.functional.avg_pool2d(self.second(y), 2)
        return self.last(y + nn.functional.interpolate(small, scale_factor=2.0, mode="bilinear"))


def calibrated() -> tuple[nn.Module, fx.GraphModule]:
    torch.manual_seed(0)
    model = Net().eval()
    graph = qat.prepare(qat.rewrite(model, torch.randn(SHAPE), "x86"))
    qat.calibrate(graph, [torch.randn(SHAPE) for _ in range(4)])
    freeze_scales(graph)
    return model, graph


def names(graph: fx.GraphModule) -> list[str]:
    return [node.all_input_nodes[0].name for node, _ in quantisers(graph)]


def error(model: nn.Module, reference: nn.Module) -> float:
    x = torch.randn(SHAPE, generator=torch.Generator().manual_seed(5))
    return float((model(x) - reference(x)).detach().square().mean())


def test_settled_scales_are_only_read() -> None:
    _, graph = calibrated()
    _, quantiser = next(quantisers(graph))
    module = next(weighted(graph))
    quantiser.scale.mul_(2)
    module.weight_scale.mul_(2)
    freeze_scales(graph)
    assert program_of(graph, torch.randn(SHAPE)).steps[0].quant.scale == pytest.approx(float(quantiser.scale))
    reset_scales(graph)
    freeze_scales(graph)
    assert program_of(graph, torch.randn(SHAPE)).steps[0].quant.scale == pytest.approx(float(quantiser.scale))
    assert qat.backends.scales.qparams(graph)["x"]["scale"] == pytest.approx(float(quantiser.scale))


def test_everything_in_float_is_float() -> None:
    model, graph = calibrated()
    keep_bits(graph, names(graph), 32)
    for module in weighted(graph):
        keep_in_float(module)  # the tail too
    assert error(qat.fake_quantized(graph), model) < 1e-10
    assert error(qat.convert(graph), model) < 1e-10


@pytest.mark.parametrize("bits", [16, 32])
def test_every_layer_can_be_kept(bits: int) -> None:
    model, graph = calibrated()
    before = error(qat.fake_quantized(graph), model)
    for name in names(graph):
        _, graph = calibrated()
        keep_bits(graph, [name], bits)
        calib, int8 = qat.fake_quantized(graph), qat.convert(graph)
        assert error(calib, model) < 1.05 * before, name
        assert error(int8, calib) < 0.2 * before, name
        assert name in kept_bits(graph)
        assert program_of(graph, torch.randn(SHAPE)).outputs
    keep_bits(graph, names(graph), bits)
    assert error(qat.fake_quantized(graph), model) < 0.6 * before


def test_what_is_kept_survives_a_checkpoint() -> None:
    _, graph = calibrated()
    keep_bits(graph, [names(graph)[1]], 32)
    _, other = calibrated()
    other.load_state_dict(graph.state_dict())
    assert kept_bits(other) == kept_bits(graph)
    x = torch.randn(SHAPE)
    assert torch.equal(qat.fake_quantized(other)(x), qat.fake_quantized(graph)(x))


@pytest.mark.parametrize("engine", ["auto", "program"])
def test_sixteen_bits_end_at_their_range_in_int8_too(engine: str) -> None:
    _, graph = calibrated()
    keep_bits(graph, [names(graph)[1]], 16)
    x = 20 * torch.randn(SHAPE, generator=torch.Generator().manual_seed(5))  # far beyond what was seen
    calib = qat.fake_quantized(graph)(x)
    assert (qat.convert(graph, engine)(x) - calib).abs().max() < 0.01 * calib.abs().max()


def test_sixteen_bits_hold_everything_seen() -> None:
    _, graph = calibrated()
    name = names(graph)[1]
    keep_bits(graph, [name], 16)
    quantiser = next(q for node, q in quantisers(graph) if node.all_input_nodes[0].name == name)
    quantiser.observing(False)
    x = torch.linspace(0, float(quantiser.observer.extremes[1]), 1000)
    assert (quantiser(x) - x).abs().max() <= float(quantiser.scale) / 256


def test_a_wrong_name_shows_the_nearest() -> None:
    _, graph = calibrated()
    with pytest.raises(UserError, match=r"no layer first_9 .*first_0"):
        keep_bits(graph, ["first_9"], 32)
