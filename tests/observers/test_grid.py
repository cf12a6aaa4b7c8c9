"""Rounding to a grid: bit for bit torch's kernel, whose gradient it keeps."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from qat.observers.grid import round_to_grid


def kernel(x: Tensor, scale: float, zero_point: int, low: int, high: int) -> Tensor:
    return torch.fake_quantize_per_tensor_affine(x, scale, zero_point, low, high)


@settings(max_examples=50)
@given(
    seed=st.integers(0, 1000),
    scale=st.floats(2.0**-60, 100.0, width=32),
    zero_point=st.integers(0, 255),
    high=st.sampled_from([127, 255, 65535]),
    spread=st.sampled_from([0.1, 10.0, 1e4]),
)
def test_it_is_torchs_kernel_bit_for_bit(seed: int, scale: float, zero_point: int, high: int, spread: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(200, generator=generator) * spread * scale
    x[:20] = x[:20].div(scale).round().add(0.5) * scale  # between two levels
    zero_point = min(zero_point, high)
    ours, theirs = round_to_grid(x, scale, zero_point, 0, high), kernel(x, scale, zero_point, 0, high)
    assert torch.equal(ours.view(torch.int32), theirs.view(torch.int32))  # a zero's sign too


def test_infinity_is_clipped_and_nan_stays() -> None:
    x = torch.tensor([torch.inf, -torch.inf, torch.nan])
    assert round_to_grid(x, 0.5, 10, 0, 255).tolist()[:2] == [122.5, -5.0]
    assert round_to_grid(x, 0.5, 10, 0, 255)[2].isnan()


def test_a_gradient_passes_where_nothing_is_clipped() -> None:
    x = torch.tensor([0.3, 500.0], requires_grad=True)
    round_to_grid(x, 0.5, 0, 0, 255).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [1.0, 0.0]


@pytest.mark.parametrize("channels_last", [False, True])
def test_the_input_stays_and_so_does_its_layout(channels_last: bool) -> None:
    form = torch.channels_last if channels_last else torch.contiguous_format
    x = torch.randn(1, 3, 4, 5).contiguous(memory_format=form)
    before = x.clone()
    assert round_to_grid(x, 0.1, 3, 0, 255).is_contiguous(memory_format=form)
    assert torch.equal(x, before)
