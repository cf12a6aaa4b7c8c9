from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from qat.observers.grid import Grid, Statistics
from qat.observers.histogram import BINS
from qat.observers.line_search import STEPS, Range, least


def seen(low: float, high: float) -> Statistics:
    return Statistics(low, high, torch.zeros(BINS), 3)


def distance_to(low: float, high: float):
    def costs(ranges: Sequence[Range]) -> Tensor:
        return torch.tensor([abs(a - low) + abs(b - high) for a, b in ranges])

    return costs


def test_symmetric_shrinks_both_ends_alike() -> None:
    low, high = least(seen(-4.0, 8.0), Grid(0, 255, True), distance_to(-1.0, 2.0))
    assert (low, high) == (-1.0, 2.0)


def test_affine_finds_both_ends() -> None:
    low, high = least(seen(-4.0, 8.0), Grid(0, 255, False), distance_to(-1.0, 5.0))
    assert (low, high) == pytest.approx((-1.0, 5.0), abs=8 / STEPS)


def test_zero_is_always_inside_and_the_narrowest_of_equals_wins() -> None:
    grid = Grid(0, 255, False)
    low, high = least(seen(3.0, 8.0), grid, lambda ranges: torch.zeros(len(ranges)))
    assert (low, high) == (0.0, 8.0 / STEPS)
