"""Errors beside those of the best grid."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from qat.analysis.grid_fit import above_best, least_rounding, weights_above_best
from qat.observers.grid import Grid
from qat.observers.observer import ActivationObserver
from qat.observers.weights import fake_quantise, weight_scales

GRID = Grid(0, 255, True)


@given(st.integers(0, 2**31 - 1), st.floats(1e-3, 1e3))
def test_the_least_rounding_is_what_the_best_of_many_scales_gives(seed: int, size: float) -> None:
    values = size * torch.randn(1, 4, 32, 32, generator=torch.Generator().manual_seed(seed))
    seen = ActivationObserver("mse", GRID)
    seen.observe(values)
    scales = torch.linspace(0.2, 1.0, 200) * float(values.abs().max()) / 127
    errors = [
        float((torch.fake_quantize_per_tensor_affine(values, float(s), 128, 0, 255) - values).square().sum())
        for s in scales
    ]
    assert least_rounding(seen) == pytest.approx(min(errors), rel=0.05)


def test_weights_on_their_best_scales_are_at_the_best_and_4x_off_is_12_db() -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(16, 32, 3)
    weight = layer.weight.detach()
    best = weight_scales(weight, "mse")
    assert weights_above_best(weight, fake_quantise(weight, best), layer) == 0.0
    assert weights_above_best(weight, fake_quantise(weight, 4 * best), layer) == pytest.approx(12, abs=1)
    assert weights_above_best(weight, fake_quantise(weight, best / 4), layer) > 20


def test_weights_that_are_exact_in_int8_have_a_floor() -> None:
    layer = nn.Conv2d(4, 1, 1)
    ones = torch.ones_like(layer.weight)
    assert weights_above_best(ones, ones, layer) == 0.0
    assert 12 < weights_above_best(ones, ones * 1.01, layer) < 1000


def test_nothing_is_above_an_empty_best() -> None:
    assert above_best(0.0, 0.0, 0.0) == 0.0
