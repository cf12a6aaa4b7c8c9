"""Observers of parts, merged, are one observer of the whole, bit for bit."""

from __future__ import annotations

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from qat.observers.grid import Grid
from qat.observers.observer import ActivationObserver

VALUES = st.sampled_from([0.0, -0.0, 1e-40, -1e-6, 0.3, -0.3, 1.0, 7.9, -300.0, 1e6])
BATCHES = st.lists(st.lists(VALUES, min_size=1, max_size=6), min_size=1, max_size=8)


def seen(method: str, batches: list[list[float]]) -> ActivationObserver:
    observer = ActivationObserver(method, Grid(0, 255, False))
    for values in batches:
        observer.observe(torch.tensor(values))
    return observer


def bits(observer: ActivationObserver) -> dict[str, Tensor]:
    """The state, -0.0 apart from 0.0."""
    return {name: value.view(torch.int64) for name, value in observer.state_dict().items()}


@pytest.mark.parametrize("method", ["min_max", "mse"])
@settings(max_examples=60)
@given(batches=BATCHES, owners=st.lists(st.integers(0, 3), min_size=8, max_size=8))
@example(batches=[[0.0], [-0.0]], owners=[1, 0] * 4)
def test_any_partition_gives_what_one_pass_gives(method: str, batches: list[list[float]], owners: list[int]) -> None:
    parts = [[batch for batch, owner in zip(batches, owners, strict=False) if owner == part] for part in range(4)]
    merged = seen(method, parts[0])
    for part in parts[1:]:
        merged.merge(seen(method, part))
    whole = seen(method, batches)
    assert all(torch.equal(value, bits(whole)[name]) for name, value in bits(merged).items())


@settings(max_examples=12)
@given(batches=BATCHES, first=st.integers(0, 7))
def test_moving_averages_take_what_others_saw_in_its_order(batches: list[list[float]], first: int) -> None:
    own, elsewhere = seen("auto", batches[:first]), ActivationObserver("auto", Grid(0, 255, False))
    elsewhere.waiting = []
    for values in batches[first:]:
        elsewhere.observe(torch.tensor(values))
    for batch in elsewhere.waiting:
        own.take(batch.small())
    assert all(torch.equal(value, bits(seen("auto", batches))[name]) for name, value in bits(own).items())


def test_a_reset_observer_has_seen_nothing() -> None:
    observer = seen("mse", [[0.5, 3.0]])
    observer.reset()
    assert all(torch.equal(value, bits(seen("mse", []))[name]) for name, value in bits(observer).items())
