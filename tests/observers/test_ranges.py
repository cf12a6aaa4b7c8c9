"""The ranges that observers choose, and the candidates of `auto`."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from qat.observers.grid import Grid, Statistics
from qat.observers.histogram import BINS, count, exponent_of
from qat.observers.mse import mse
from qat.observers.ranges import AUTO, OBSERVERS, RANGES, Candidate, candidates, min_max, percentile

SYMMETRIC, AFFINE = Grid(0, 255, True), Grid(0, 255, False)
GRIDS = [SYMMETRIC, AFFINE, Grid(0, 127, True), Grid(0, 127, False)]
GENERATOR = torch.Generator().manual_seed(0)
DATA = {
    "normal": torch.randn(20_000, generator=GENERATOR),
    "heavy tail": torch.randn(20_000, generator=GENERATOR) ** 5,
    "after relu": torch.randn(20_000, generator=GENERATOR).relu() ** 2,
    "far from zero": torch.rand(20_000, generator=GENERATOR) + 7,
    "negative": -(torch.rand(20_000, generator=GENERATOR) ** 3),
}


def seen(x: Tensor) -> Statistics:
    span = exponent_of(x.abs().max().item())
    return Statistics(x.min().item(), x.max().item(), count(x, span), span)


def bin_width(x: Tensor) -> float:
    return 2.0 ** seen(x).exponent / (BINS // 2)


def error(x: Tensor, low: float, high: float, grid: Grid) -> float:
    """Sum of squared differences of the values and their quantised values."""
    scale, zero = grid.qparams(low, high)
    levels = (x.double() / scale).round().add(zero).clamp(grid.low, grid.high)
    return float(((levels - zero) * scale - x).square().sum())


@pytest.mark.parametrize("grid", GRIDS, ids=str)
@pytest.mark.parametrize("name", DATA)
def test_min_max_is_the_extremes(name: str, grid: Grid) -> None:
    assert min_max(seen(DATA[name]), grid) == (DATA[name].min().item(), DATA[name].max().item())


@pytest.mark.parametrize("share", [99.99, 99.0, 75.0])
@pytest.mark.parametrize("name", DATA)
def test_symmetric_percentile_is_the_quantile_of_magnitudes_within_a_bin(name: str, share: float) -> None:
    x = DATA[name]
    low, high = percentile(seen(x), SYMMETRIC, share)
    wanted = np.quantile(x.abs().double().numpy(), share / 100, method="inverted_cdf")
    assert wanted <= max(-low, high) <= wanted + bin_width(x)
    assert x.min() <= low
    assert high <= x.max()


@pytest.mark.parametrize("share", [99.99, 99.0, 75.0])
@pytest.mark.parametrize("name", DATA)
def test_affine_percentile_is_the_quantile_of_both_ends_within_a_bin(name: str, share: float) -> None:
    x = DATA[name].double().numpy()
    low, high = percentile(seen(DATA[name]), AFFINE, share)
    width = bin_width(DATA[name])
    top, bottom = (np.quantile(part, share / 100, method="inverted_cdf") for part in (x, -x))
    assert top - 1e-12 <= high <= top + width
    assert -bottom - width <= low <= -bottom + 1e-12


@pytest.mark.parametrize("grid", GRIDS, ids=str)
@pytest.mark.parametrize("name", DATA)
def test_a_hundred_per_cent_is_the_extremes(name: str, grid: Grid) -> None:
    scale, zero = grid.qparams(*percentile(seen(DATA[name]), grid, 100.0))
    assert (scale, zero) == pytest.approx(grid.qparams(*min_max(seen(DATA[name]), grid)))


@pytest.mark.parametrize("grid", [SYMMETRIC, Grid(0, 15, True)], ids=["8 bits", "4 bits"])
@pytest.mark.parametrize("name", DATA)
def test_symmetric_mse_equals_a_line_search_over_the_values(name: str, grid: Grid) -> None:
    x = DATA[name]
    top = x.abs().max().item()
    best = min(error(x, -top * k / 400, top * k / 400, grid) for k in range(1, 401))
    assert error(x, *mse(seen(x), grid), grid) <= 1.03 * best


@pytest.mark.parametrize("grid", GRIDS, ids=str)
@pytest.mark.parametrize("name", DATA)
def test_mse_is_no_worse_than_min_max_and_percentile(name: str, grid: Grid) -> None:
    x = DATA[name]
    others = [min_max(seen(x), grid), percentile(seen(x), grid)]
    assert error(x, *mse(seen(x), grid), grid) <= 1.01 * min(error(x, *other, grid) for other in others)


def test_mse_clips_an_outlier_that_costs_more_than_it_saves() -> None:
    x = torch.cat([DATA["normal"], torch.tensor([40.0])])
    low, high = mse(seen(x), Grid(0, 15, True))
    assert max(-low, high) < 10


@pytest.mark.parametrize("grid", GRIDS, ids=str)
@pytest.mark.parametrize(("low", "high"), [(-3.0, 5.0), (2.0, 5.0), (-5.0, -2.0), (0.0, 0.0), (-1e-9, 1e-9)])
def test_zero_is_on_the_grid_and_the_range_is_covered(grid: Grid, low: float, high: float) -> None:
    scale, zero = grid.qparams(low, high)
    assert scale > 0
    assert grid.low <= zero <= grid.high
    assert scale * (grid.low - zero) <= low + scale / 2 + 1e-12
    assert scale * (grid.high - zero) >= high - scale / 2 - 1e-12
    assert not grid.symmetric or zero == (grid.high + 1) // 2


def test_a_named_observer_is_its_own_only_candidate() -> None:
    assert candidates("kl", 99.99, 0.1) == (Candidate("kl", averaging=0.1),)
    assert candidates("percentile", 99.5, None) == (Candidate("percentile", 99.5),)


def test_auto_tries_every_observer_with_every_constant_once() -> None:
    tried = candidates(AUTO, 99.99, None)
    assert len(tried) == len(set(tried)) == 3 * 7
    assert {one.method for one in tried} == set(RANGES)
    assert {one.averaging for one in tried} == {None, 0.01, 0.1}
    assert tried[0] == Candidate("min_max")


def test_auto_tries_the_config_s_own_percentile_and_constant_too() -> None:
    tried = candidates(AUTO, 99.0, 0.5)
    assert len(tried) == 4 * 8
    assert Candidate("percentile", 99.0, 0.5) in tried
    assert Candidate("mse", None, 0.5) in tried


def test_the_names_are_the_vendor_s() -> None:
    assert OBSERVERS == ("min_max", "percentile", "mse", "kl", "mix", "auto")
