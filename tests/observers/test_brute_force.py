"""Each observer, fed in pieces, against brute force on the stored activations."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch

from qat.observers.grid import Grid
from qat.observers.observer import ActivationObserver
from qat.observers.ranges import SHARES
from tests.observers.stored import BINS, Values, cut, divergence, shrunken, squared_error

GRIDS = [Grid(0, 255, True), Grid(0, 255, False), Grid(0, 15, True), Grid(0, 15, False)]
IDS = ["symmetric", "affine", "4 bits symmetric", "4 bits affine"]
GENERATOR = torch.Generator().manual_seed(7)
PIECES = {
    "growing": [torch.randn(2, 3, 4, 5, generator=GENERATOR) * 2.0**k for k in range(4)],
    "after relu": [torch.randn(1, 3, 5, 10, generator=GENERATOR).relu() for _ in range(3)],
    "heavy tail": [torch.randn(100, generator=GENERATOR) ** 5 for _ in range(3)],
    "outlier first": [torch.tensor([-40.0]), torch.randn(1500, generator=GENERATOR)],
}
every_case = pytest.mark.parametrize(("name", "grid"), [(n, g) for n in PIECES for g in GRIDS], ids=str)


def stored(name: str) -> Values:
    return torch.cat([piece.flatten() for piece in PIECES[name]]).double().numpy()


def chosen(method: str, name: str, grid: Grid, **settings: float) -> tuple[float, float]:
    observer = ActivationObserver(method, grid, **settings)
    for piece in PIECES[name]:
        observer.observe(piece)
    return observer.range()


def width(values: Values) -> float:
    return 2.0 ** (np.frexp(np.abs(values).max())[1] + 1) / BINS


@every_case
def test_min_max(name: str, grid: Grid) -> None:
    values = stored(name)
    assert chosen("min_max", name, grid) == (values.min(), values.max())


@pytest.mark.parametrize("share", [99.9, 99.0, 90.0])
@every_case
def test_percentile(name: str, grid: Grid, share: float) -> None:
    values = stored(name)
    assert chosen("percentile", name, grid, percentile=share) == pytest.approx(
        cut(values, share, grid), abs=width(values)
    )


@every_case
def test_mse(name: str, grid: Grid) -> None:
    """The values of a bin lie up to half a bin from its middle: so much may separate the two errors."""
    values = stored(name)
    best = min(squared_error(values, low, high, grid) for low, high in shrunken(values, 500))
    found = squared_error(values, *chosen("mse", name, grid), grid)
    blur = len(values) * (width(values) / 2) ** 2
    assert found <= 1.02 * best + 2 * (blur * best) ** 0.5 + blur


@every_case
def test_mix(name: str, grid: Grid) -> None:
    values = stored(name)
    low, high = chosen("mix", name, grid)
    offered = [cut(values, share, grid) for share in SHARES]
    assert min(max(abs(low - a), abs(high - b)) for a, b in offered) <= width(values)
    best = min(squared_error(values, *one, grid) for one in offered)
    blur = len(values) * width(values) ** 2
    assert squared_error(values, low, high, grid) <= 1.02 * best + 2 * (blur * best) ** 0.5 + blur


@pytest.mark.parametrize("grid", GRIDS[::2], ids=IDS[::2])
@pytest.mark.parametrize("name", PIECES)
def test_symmetric_kl(name: str, grid: Grid) -> None:
    values = stored(name)
    low, high = chosen("kl", name, grid)
    best = min(divergence(values, *one, grid) for one in shrunken(values, 128))
    assert divergence(values, low, high, grid) == pytest.approx(best, rel=1e-9)


@pytest.mark.parametrize("grid", GRIDS[1::2], ids=IDS[1::2])
@pytest.mark.parametrize("name", PIECES)
def test_affine_kl_can_t_be_bettered_at_its_upper_end(name: str, grid: Grid) -> None:
    """Both ends in turn end in a corner where the last one searched is the best of all its candidates."""
    values = stored(name)
    low, high = chosen("kl", name, grid)
    others = [divergence(values, low, one, grid) for _, one in shrunken(values, 128)]
    assert divergence(values, low, high, grid) == pytest.approx(min(others), rel=1e-9)
    assert divergence(values, low, high, grid) <= divergence(values, values.min(), values.max(), grid) + 1e-9


def test_kl_gives_up_an_outlier_and_keeps_what_fills_the_levels() -> None:
    low, high = chosen("kl", "outlier first", GRIDS[2])
    assert max(-low, high) < 10
    even = ActivationObserver("kl", GRIDS[0])
    even.observe(torch.linspace(-1, 1, 100_000))
    assert max(even.range()) > 0.95


@pytest.mark.parametrize("grid", GRIDS[:2], ids=IDS[:2])
def test_kl_doesn_t_clip_a_peak_onto_another(grid: Grid) -> None:
    """White in a normalised picture is another value for each colour, and has many pixels."""
    generator = torch.Generator().manual_seed(2)
    picture = torch.rand(20_000, 1, generator=generator) * 250 + torch.randn(20_000, 3, generator=generator) * 3
    picture[:2000] = 255
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    x = (picture.round().clamp(0, 255) / 255 - mean) / std
    observer = ActivationObserver("kl", grid)
    observer.observe(x)
    assert max(observer.range()) > 0.99 * x.max()


@pytest.mark.parametrize("grid", GRIDS[:2], ids=IDS[:2])
def test_a_peak_at_zero_doesn_t_draw_kl_s_range_to_itself(grid: Grid) -> None:
    """A gate that is mostly shut gives mostly values near zero, on both sides of it."""
    values = torch.randn(20_000, generator=torch.Generator().manual_seed(2))
    peak = torch.linspace(-1e-4, 1e-4, 40_000)
    plain, peaked = ActivationObserver("kl", grid), ActivationObserver("kl", grid)
    plain.observe(values)
    peaked.observe(torch.cat([values, peak]))
    assert peaked.range() == pytest.approx(plain.range(), rel=0.1)


@pytest.mark.parametrize("method", ["percentile", "mse", "kl", "mix"])
def test_the_same_values_in_another_order_and_other_pieces(method: str) -> None:
    for grid in GRIDS:
        ranges = set()
        for pieces in (PIECES["growing"], PIECES["growing"][::-1], [torch.cat(PIECES["growing"]).flip(0)]):
            observer = ActivationObserver(method, grid)
            for piece in pieces:
                observer.observe(piece)
            ranges.add(observer.range())
        assert len(ranges) == 1


def test_the_pieces_do_grow() -> None:
    """Else streaming isn't tested."""
    assert all(a.abs().max() < b.abs().max() for a, b in pairwise(PIECES["growing"]))
