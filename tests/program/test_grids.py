"""Where a grid goes when constants are added or multiplied."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from qat.backends.quantiser import ActivationQuantiser, OnGrid
from qat.backends.spec import QuantSpec
from qat.program.grids import grid_of, moved, values_of
from qat.program.steps import Quant, Step

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
