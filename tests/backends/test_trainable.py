"""The trainable copy computes what stage calib does, with gradients, and what it learnt comes back."""

from __future__ import annotations

import pytest
import torch
from torch import fx, nn

import qat
from qat.backends.scales import freeze_scales, quantisers
from qat.backends.trainable import trainable, trainable_quantisers, write_back
from qat.backends.weight_scales import weighted

SHAPE = (1, 3, 16, 24)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU())
        self.up = nn.ConvTranspose2d(6, 6, 2, 2)
        self.last = nn.Conv2d(6, 4, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = nn.functional.avg_pool2d(self.first(x), 2)
        return self.last(torch.sigmoid(self.up(y)) * self.first(x))


@pytest.fixture
def prepared() -> fx.GraphModule:
    torch.manual_seed(0)
    graph = qat.prepare(qat.rewrite(Net().eval(), torch.randn(SHAPE), "x86"))
    qat.calibrate(graph, [torch.randn(SHAPE) for _ in range(3)])
    freeze_scales(graph)
    return graph


@pytest.mark.parametrize("learn", [False, True])
def test_it_computes_the_stage(prepared: fx.GraphModule, learn: bool) -> None:
    x = torch.randn(SHAPE)
    assert torch.equal(trainable(prepared, learn)(x), qat.fake_quantized(prepared)(x))


def test_everything_gets_a_gradient(prepared: fx.GraphModule) -> None:
    model = trainable(prepared, learn_scales=True)
    model(torch.randn(SHAPE)).square().sum().backward()
    fixed = {name for name, p in model.named_parameters() if not p.requires_grad}
    assert len(fixed) == 1  # the sigmoid's grid
    for name, parameter in model.named_parameters():
        assert name in fixed or (parameter.grad is not None and parameter.grad.abs().sum() > 0), name


def test_scales_learn_as_lsq_says(prepared: fx.GraphModule) -> None:
    quantiser = next(q for _, q in trainable_quantisers(trainable(prepared, learn_scales=True)))
    x, scale = torch.randn(50) * 200 * quantiser.scale.detach(), quantiser.scale.detach()
    quantiser(x).sum().backward()
    zero = int(quantiser.zero_point)
    level = x / scale
    inside = (level.round() >= quantiser.low - zero) & (level.round() <= quantiser.high - zero)
    per_value = torch.where(inside, level.round() - level, level.clamp(quantiser.low - zero, quantiser.high - zero))
    assert quantiser.scale.grad is not None
    assert quantiser.scale.grad.item() == pytest.approx(per_value.sum().item(), rel=1e-4)


class Resampling(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 2, 1, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(nn.functional.interpolate(self.first(x), size=(32, 48), mode="bilinear"))


def test_a_scale_that_resampling_reads_learns_what_it_changes() -> None:
    """Where all is clipped the output is proportional to the scale, so its gradient is known."""
    graph = qat.prepare(qat.rewrite(Resampling().eval(), torch.randn(SHAPE), "x86"))
    qat.calibrate(graph, [torch.randn(SHAPE)])
    model, x = trainable(graph, learn_scales=True), torch.randn(SHAPE)
    shared = {node.all_input_nodes[0].name: quantiser for node, quantiser in trainable_quantisers(model)}
    quantiser = shared["first"]
    assert list(shared.values()).count(quantiser) == 2  # on both sides of the resampling
    with torch.no_grad():
        quantiser.scale.mul_(1e-5)
    output = model(x).sum()
    output.backward()
    assert quantiser.scale.grad is not None
    assert (quantiser.scale.grad * quantiser.scale).item() == pytest.approx(output.item(), rel=1e-3)


def test_what_was_learnt_comes_back(prepared: fx.GraphModule) -> None:
    model = trainable(prepared, learn_scales=True)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.mul_(1.03)
    write_back(model, prepared)
    x = torch.randn(SHAPE)
    assert torch.equal(qat.fake_quantized(prepared)(x), model(x))
    assert (qat.convert(prepared)(x) - model(x)).abs().max() < 0.1 * model(x).abs().max()


def test_the_original_stays_as_it_was(prepared: fx.GraphModule) -> None:
    before = {name: value.clone() for name, value in prepared.state_dict().items()}
    model = trainable(prepared, learn_scales=True)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1)
    assert all(torch.equal(value, before[name]) for name, value in prepared.state_dict().items())
    assert len(list(quantisers(prepared))) >= len(list(trainable_quantisers(model))) > 0
    assert all(hasattr(module, "weight_scale") for module in weighted(prepared))
