"""Grids of activations where constants are added or multiplied, and constants as they are stored."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from qat.backends.quantiser import ActivationQuantiser, OnGrid
from qat.backends.spec import QuantSpec
from qat.observers.weights import fake_quantise, weight_scales
from qat.program.integers import grid_of, moved, values_of, weight_of
from qat.program.steps import Quant, Step
from tests.networks import shuffle_norms

NUMBERS = st.floats(-8, 8).map(lambda value: round(value, 3))
GRIDS = st.one_of(
    st.builds(Quant, st.floats(0.001, 2), st.sampled_from([128, 0, 17, 255])),
    st.builds(Quant, st.floats(0.001, 2), st.sampled_from([64, 0, 127]), st.just(0), st.just(127)),
)


@given(GRIDS, NUMBERS.filter(bool), NUMBERS)
def test_every_level_finds_one_within_half_a_step(grid: Quant, scale: float, shift: float) -> None:
    result = moved(grid, scale, shift, grid.range)
    assert grid.low <= result.zero_point <= grid.high
    assert (result.low, result.high) == (grid.low, grid.high)
    assert result.scale >= grid.scale * abs(scale) * (1 - 1e-9)
    real = (np.arange(grid.low, grid.high + 1) - grid.zero_point) * grid.scale * scale + shift
    levels = np.clip(np.round(real / result.scale) + result.zero_point, result.low, result.high)
    off = np.abs((levels - result.zero_point) * result.scale - real)
    assert off.max() <= 0.502 * result.scale


@given(GRIDS, NUMBERS.filter(bool))
def test_a_gain_alone_moves_no_level(grid: Quant, scale: float) -> None:
    """Scaled levels stay levels; a negative gain turns the grid round."""
    result = moved(grid, scale, 0.0, grid.range)
    assert result.scale == pytest.approx(grid.scale * abs(scale))
    turned = grid.low + grid.high - grid.zero_point
    assert result.zero_point in (grid.zero_point, turned)


@pytest.mark.parametrize("zero", [128, 64])
def test_one_minus_a_sigmoid_keeps_the_zero_point(zero: int) -> None:
    grid = Quant(1 / (zero - 1), zero, 0, 2 * zero - 1)
    assert moved(grid, -1.0, 1.0, (0.0, 1.0)) == grid


def test_a_step_grows_only_where_the_zero_point_cannot_move() -> None:
    grid = Quant(1.0, 128)
    assert moved(grid, 1.0, 127.0, grid.range) == Quant(1.0, 1)
    assert moved(grid, 1.0, 128.0, grid.range) == Quant(1.0, 0)
    assert moved(grid, 1.0, 383.0, grid.range) == Quant(2.0, 0)
    assert moved(grid, -1.0, -382.0, grid.range) == Quant(509 / 255, 255)


@pytest.mark.parametrize(
    ("op", "values"),
    [("sigmoid", (0.0, 1.0)), ("tanh", (-1.0, 1.0)), ("softmax", (0.0, 1.0)), ("add", (-1.28, 1.27))],
)
def test_values_are_those_of_the_operation(op: str, values: tuple[float, float]) -> None:
    step = Step("y", op, ("x",), (1, 3), Quant(0.01, 128))
    assert values_of(step) == pytest.approx(values)


def test_a_narrow_grid_bounds_a_sigmoid_too() -> None:
    assert values_of(Step("y", "sigmoid", ("x",), (1,), Quant(0.002, 0))) == pytest.approx((0.0, 0.51))


def test_a_quantisers_grid() -> None:
    quantiser = ActivationQuantiser(QuantSpec(), fixed=(0.25, 3))
    quantiser.scale = torch.tensor([0.25])
    assert grid_of(quantiser) == Quant(0.25, 3, quantiser.quant_min, quantiser.quant_max)
    assert grid_of(OnGrid(QuantSpec())) is None


LAYERS: dict[str, Callable[[], nn.Module]] = {
    "conv": lambda: nn.Conv2d(3, 5, 3),
    "grouped": lambda: nn.Conv2d(4, 6, 3, groups=2, bias=False),
    "linear": lambda: nn.Linear(4, 3),
}


def settled(layer: nn.Module, scales: torch.Tensor) -> nn.Module:
    layer.register_buffer("weight_scale", scales)
    return layer


@settings(deadline=None, max_examples=30)
@given(st.sampled_from(sorted(LAYERS)), st.sampled_from(["min_max", "mse"]), st.integers(0, 1000))
def test_integers_are_the_fake_quantised_weights(name: str, method: str, seed: int) -> None:
    torch.manual_seed(seed)
    layer = LAYERS[name]()
    scales = weight_scales(layer.weight, method)
    weight = weight_of(settled(layer, scales), quantised=True)
    assert weight.values.dtype == np.int8
    np.testing.assert_array_equal(weight.scales, scales)
    np.testing.assert_array_equal(weight.real, fake_quantise(layer.weight, scales))
    assert (weight.bias is None) == (layer.bias is None)


def test_a_transposed_convolution_has_one_scale() -> None:
    layer = nn.ConvTranspose2d(4, 6, 3)
    weight = weight_of(settled(layer, weight_scales(layer.weight.view(1, -1), "mse")), quantised=True)
    assert weight.scales is not None
    assert weight.scales.shape == (1,)
    np.testing.assert_array_equal(weight.real, fake_quantise(layer.weight, torch.from_numpy(weight.scales)))


def test_a_dead_channel_is_zeros() -> None:
    layer = nn.Conv2d(2, 3, 1)
    with torch.no_grad():
        layer.weight[1] = 0
    weight = weight_of(settled(layer, weight_scales(layer.weight, "mse")), quantised=True)
    assert not weight.values[1].any()
    assert np.isfinite(weight.scales).all()


@pytest.mark.parametrize("name", LAYERS)
def test_float_stays_as_it_is(name: str) -> None:
    layer = LAYERS[name]()
    weight = weight_of(layer, quantised=False)
    assert weight.scales is None
    np.testing.assert_array_equal(weight.real, layer.weight.detach())


@pytest.mark.parametrize("affine", [True, False])
def test_a_norm_is_gain_and_shift(affine: bool) -> None:
    norm, x = shuffle_norms(nn.BatchNorm2d(4, affine=affine)).eval(), torch.randn(2, 4, 3, 3)
    weight = weight_of(norm, quantised=True)
    gain, shift = weight.values.reshape(1, 4, 1, 1), weight.bias.reshape(1, 4, 1, 1)
    np.testing.assert_allclose(norm(x).detach(), x * gain + shift, atol=1e-5)


def test_later_changes_of_the_layer_change_nothing() -> None:
    layer = nn.Conv2d(1, 1, 1)
    weight = weight_of(layer, quantised=False)
    before = weight.values.copy()
    with torch.no_grad():
        layer.weight += 1
    np.testing.assert_array_equal(weight.values, before)
