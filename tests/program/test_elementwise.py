"""Sums and products of levels are those of the reference, on any grids, layouts and broadcasts."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from qat.program.elementwise import Product, Sum
from qat.program.levels import rounded, to_levels, to_real
from qat.program.steps import Quant, Step

SHAPE = (1, 4, 6, 5)
GRIDS = st.builds(
    lambda scale, zero, high: Quant(scale, min(zero, high), 0, high),
    st.floats(1e-3, 2.0),
    st.integers(0, 255),
    st.sampled_from([127, 255]),
)


def levels(quant: Quant, shape: tuple[int, ...], last: bool) -> torch.Tensor:
    values = torch.randint(quant.high + 1, shape, dtype=torch.uint8)
    return values.contiguous(memory_format=torch.channels_last) if last else values


def off(found: torch.Tensor, expected: torch.Tensor) -> torch.Tensor:
    return (found.int() - expected.int()).abs()


@settings(max_examples=60, deadline=None)
@given(GRIDS, GRIDS, GRIDS, st.booleans(), st.booleans(), st.booleans(), st.sampled_from([SHAPE, (1, 4, 1, 1)]))
def test_a_product_is_the_references(
    one: Quant, other: Quant, target: Quant, last: bool, first: bool, relu: bool, shape: tuple[int, ...]
) -> None:
    product = Product(Step("y", "mul", ("a", "b"), SHAPE, target, relu=relu), one, other)
    inputs = [levels(one, SHAPE, first), levels(other, shape, last)]
    real = to_real(inputs[0], one) * to_real(inputs[1], other)
    found, expected = product(inputs), to_levels(real.relu() if relu else real, target)
    assert product.fits
    assert found.dtype == torch.uint8
    assert off(found, expected).max() <= 1  # a tie
    assert off(found, expected).float().mean() < 0.05


@settings(max_examples=40, deadline=None)
@given(GRIDS, GRIDS, GRIDS, st.booleans(), st.booleans())
def test_a_sum_is_the_references(one: Quant, other: Quant, target: Quant, last: bool, relu: bool) -> None:
    total = Sum(Step("y", "add", ("a", "b"), SHAPE, target, relu=relu), one, other)
    inputs = [levels(one, SHAPE, True), levels(other, SHAPE, last)]
    real = to_real(inputs[0], one) + to_real(inputs[1], other)
    found, expected = total(inputs), to_levels(real.relu() if relu else real, target)
    assert total.fits
    assert off(found, expected).max() <= 1
    assert off(found, expected).float().mean() < 0.05


def test_levels_beyond_32_bits_are_left_to_the_reference() -> None:
    """OpenCV rounds into 32 bits, where a larger number of levels would turn round."""
    step = Step("y", "mul", ("a", "b"), SHAPE, Quant(1e-9, 128))
    assert not Product(step, Quant(1.0, 0), Quant(1.0, 0)).fits
    assert not Sum(step, Quant(10.0, 0), Quant(1.0, 0)).fits


def test_infinite_numbers_and_empty_tensors_have_levels() -> None:
    quant = Quant(0.5, 128)
    assert to_levels(torch.tensor([float("inf"), -float("inf"), 3e38]), quant).tolist() == [255, 0, 255]
    assert to_real(to_levels(torch.zeros(1, 0, 2, 2), quant), quant).shape == (1, 0, 2, 2)


def test_a_mask_multiplies_every_channel() -> None:
    """Whichever side it stands on, and of fewer axes too; neither operand is changed."""
    quant, target = Quant(0.1, 7), Quant(0.5, 30)
    whole, mask = levels(quant, SHAPE, True), levels(quant, SHAPE[2:], False)
    product = Product(Step("y", "mul", ("a", "b"), SHAPE, target), quant, quant)
    kept = whole.clone()
    found = product([whole, mask])
    assert torch.equal(found, product([mask, whole]))
    assert torch.equal(whole, kept)
    assert off(found, to_levels(to_real(whole, quant) * to_real(mask, quant), target)).max() <= 1
    across = product([whole[:, :, :, :1], mask[:1]])
    assert torch.equal(across, product([whole[:, :, :, :1].expand(SHAPE), mask[:1].expand(SHAPE)]))


def test_what_lies_below_every_level_is_the_lowest() -> None:
    """OpenCV's pass over float32 would give its absolute value."""
    assert rounded(torch.tensor([-300.0, -4.0, -3.5, -2.0, 2.0, 400.0]), 1.0, 3).tolist() == [0, 0, 0, 1, 5, 255]
