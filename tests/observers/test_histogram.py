from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from qat.observers import histogram
from qat.observers.histogram import BINS, centres, count, exponent_of, grow

EDGES = [sign * 2.0**k * part for sign in (1, -1) for k in (-13, -12, -1, 0, 1, 5) for part in (1, 1 - 2**-24, 0.99985)]
VALUES = st.lists(st.sampled_from([0.0, *EDGES]) | st.floats(-1000, 1000, width=32), min_size=1, max_size=40)


def tensor(values: list[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float32)


def exponent(x: Tensor) -> int:
    return exponent_of(x.abs().max().item())


def random(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


@settings(max_examples=100, deadline=None)
@given(st.lists(VALUES, min_size=1, max_size=4))
def test_pieces_counted_apart_and_grown_equal_all_counted_at_once(pieces: list[list[float]]) -> None:
    whole = tensor([value for piece in pieces for value in piece])
    counted, span = torch.zeros(BINS, dtype=torch.float64), -1000
    for piece in map(tensor, pieces):
        wider = max(span, exponent(piece))
        counted, span = grow(counted, span, wider) + count(piece, wider), wider
    assert span == exponent(whole)
    assert torch.equal(counted, count(whole, span))


@settings(max_examples=50, deadline=None)
@given(VALUES, st.integers(0, 20))
def test_growing_equals_counting_wider(values: list[float], steps: int) -> None:
    x = tensor(values)
    span = exponent(x)
    assert torch.equal(grow(count(x, span), span, span + steps), count(x, span + steps))


@pytest.mark.parametrize("value", [-(2.0**-149), -(2.0**-126), -(2.0**-140)])
@pytest.mark.parametrize("span", [13, 30, 100])
def test_a_negative_value_next_to_nothing_stays_below_zero_in_any_span(value: float, span: int) -> None:
    assert count(tensor([value]), span).nonzero()[0].item() == BINS // 2 - 1


@pytest.mark.parametrize("shape", [(1000,), (2, 3, 17, 19), (4, 5, 6), ()], ids=str)
@pytest.mark.parametrize("scale", [1e-6, 1.0, 300.0])
def test_equal_to_numpy(shape: tuple[int, ...], scale: float) -> None:
    x = random(*shape) * scale
    span = exponent(x)
    expected, _ = np.histogram(x.numpy().astype(np.float64), BINS, (-(2.0**span), 2.0**span))
    assert np.array_equal(count(x, span).numpy(), expected)


def test_neither_memory_layout_nor_dtype_nor_chunks_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    x = random(2, 3, 17, 19).bfloat16()
    expected = count(x.float(), 3)
    assert torch.equal(count(x.to(memory_format=torch.channels_last), 3), expected)
    assert torch.equal(count(x[:, :, ::1].permute(0, 1, 3, 2), 3), expected)
    monkeypatch.setattr(histogram, "_CHUNK", 100)
    assert torch.equal(count(x, 3), expected)


def test_zeros_lie_in_the_middle() -> None:
    counts = count(torch.zeros(10), exponent_of(0.0))
    assert counts.nonzero().tolist() == [[BINS // 2]]
    assert counts.sum() == 10


@settings(deadline=None)
@given(st.floats(2**-90, 2.0**120, width=32))
def test_the_span_is_the_smallest_that_holds_a_value(amax: float) -> None:
    assert 2.0 ** (exponent_of(amax) - 1) <= amax < 2.0 ** exponent_of(amax)


def test_centres_are_the_middles_of_the_edges() -> None:
    edges = np.linspace(-8, 8, BINS + 1)
    assert np.array_equal(centres(3).numpy(), (edges[1:] + edges[:-1]) / 2)
