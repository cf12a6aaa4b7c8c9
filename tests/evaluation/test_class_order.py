"""The best order of classes is the best of all orders."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from qat.evaluation.class_order import assignment, likely_order


@pytest.mark.parametrize("seed", range(40))
def test_no_other_assignment_is_cheaper(seed: int) -> None:
    rng = np.random.default_rng(seed)
    size = int(rng.integers(1, 6))
    cost = rng.random((size, size)) if seed % 2 else rng.integers(0, 3, (size, size)).astype(float)
    found = assignment(cost)
    assert sorted(found) == list(range(size))
    best = min(cost[list(order), range(size)].sum() for order in itertools.permutations(range(size)))
    assert cost[found, range(size)].sum() == pytest.approx(best)


def test_equal_orders_stay_as_they_are() -> None:
    order = likely_order(torch.tensor([[5, 5, 0], [5, 5, 0], [0, 0, 0]]))
    assert order.classes == (0, 1, 2)
    assert order.gain == 0


def test_classes_without_labels_count_for_nothing() -> None:
    order = likely_order(torch.tensor([[0, 9, 0], [9, 0, 0], [0, 0, 0]]))
    assert order.classes == (1, 0, 2)
    assert (order.before, order.after) == (0, 1)
