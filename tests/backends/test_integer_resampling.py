"""Resampling on the integers: the same result where there is no tie, and ties go to the even level."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

import qat
from qat.backends.fx import fake_quantized, frozen
from qat.backends.integer_resampling import LIMIT, resample_integers, rounded
from qat.backends.scales import quantisers
from qat.graph.nodes import op_name


@given(st.integers(-LIMIT * 2, LIMIT * 2))
def test_halves_go_to_the_even_level(doubled: int) -> None:
    x = torch.tensor([doubled / 2])
    assert rounded(x).item() == torch.clamp(torch.round(x), -LIMIT, LIMIT).item()


def test_the_gradient_passes() -> None:
    x = torch.tensor([1.3, -7.5], requires_grad=True)
    rounded(x).sum().backward()
    assert torch.equal(x.grad, torch.ones(2))


class Resized(nn.Module):
    def __init__(self, how: str) -> None:
        super().__init__()
        self.how, self.first, self.tail = how, nn.Conv2d(3, 4, 1), nn.Conv2d(4, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.tail(self.resample(self.first(x)))

    def resample(self, y: Tensor) -> Tensor:
        if self.how == "interpolate":
            return F.interpolate(y, (7, 11), mode="bilinear", align_corners=False)
        if self.how == "avg_pool2d":
            return F.avg_pool2d(y, 2)
        return y * 2 if self.how == "mul" else F.relu(y * y)


def calibrated(how: str) -> torch.fx.GraphModule:
    torch.manual_seed(0)
    x = torch.randn(1, 3, 6, 8)
    prepared = qat.prepare(qat.rewrite(Resized(how), x, "x86"), qat.QuantSpec(observer="min_max"))
    qat.calibrate(prepared, [x])
    return prepared


def resampled(graph: torch.fx.GraphModule) -> int:
    return sum(node.target is rounded for node in graph.graph.nodes)


@pytest.mark.parametrize("how", ["interpolate", "avg_pool2d"])
def test_runs_on_integers_and_says_nearly_the_same(how: str) -> None:
    prepared, x = calibrated(how), torch.randn(1, 3, 6, 8)
    before, after = frozen(prepared), frozen(prepared)
    resample_integers(after, dict(quantisers(after)))
    assert (resampled(before), resampled(after)) == (0, 2)
    read = [node for node in after.graph.nodes if op_name(node) == how]
    assert read[0].all_input_nodes[0].target is rounded
    with torch.no_grad():
        assert torch.allclose(before(x), after(x), atol=0.05)


@pytest.mark.parametrize("how", ["interpolate", "avg_pool2d"])
def test_its_results_are_levels(how: str) -> None:
    model, x = fake_quantized(calibrated(how)), torch.randn(1, 3, 6, 8)
    name, scale = next(
        (node.name, q.scale)
        for node, q in quantisers(model)
        if op_name(node.all_input_nodes[0]) != "conv2d" and node.all_input_nodes[0].op == "call_function"
    )
    seen: dict[str, Tensor] = {}
    model.get_submodule(name).register_forward_hook(lambda m, given, out: seen.update(out=out, given=given[0]))
    with torch.no_grad():
        model(x)
    levels = seen["given"] / scale
    assert torch.allclose(levels, levels.round(), atol=1e-4)
    assert torch.allclose(seen["given"], seen["out"], atol=1e-6)


def test_ties_that_scaled_floats_break_at_random_are_even() -> None:
    """Means of two neighbouring levels, on many scales: the integers always give the even one."""
    levels = torch.tensor([[[[5.0, 6.0, -3.0, -4.0, 7.0, 8.0]]]])
    expected = torch.tensor([6.0, -4.0, 8.0])
    broken = 0
    for index in range(1, 400):
        scale = torch.tensor(index * 1.7e-3)
        exact = rounded(F.avg_pool2d(rounded(levels * scale / scale), (1, 2)))
        assert torch.equal(exact.flatten(), expected)
        scaled = torch.round(F.avg_pool2d(levels * scale, (1, 2)) / scale)
        broken += not torch.equal(scaled.flatten(), expected)
    assert broken > 0


@pytest.mark.parametrize("how", ["mul", "relu"])
def test_other_operations_stay(how: str) -> None:
    assert resampled(fake_quantized(calibrated(how))) == 0
