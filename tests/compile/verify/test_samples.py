"""Classes at label size, agreement and mIoU, on pictures that can be checked by hand."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from qat.compile.verify.samples import ParitySample, agreement, predictions, score
from qat.evaluation.upsample import upsample_argmax


def picture(size: tuple[int, int], label: Tensor | None = None) -> ParitySample:
    x = torch.zeros(1, 3, 8, 8)
    return ParitySample("a.png", x, x, label, size)


def test_logits_are_upsampled_to_the_label() -> None:
    logits = torch.randn(1, 4, 2, 3, generator=torch.Generator().manual_seed(0))
    found = predictions(lambda x: logits, [torch.zeros(1)], [picture((16, 24))], align_corners=True)
    assert torch.equal(found[0], upsample_argmax(logits, (16, 24), True))
    assert (found[0].shape, found[0].dtype) == ((1, 16, 24), torch.uint8)


def test_classes_pass_or_take_the_nearest() -> None:
    chosen = torch.tensor([[[0, 1], [2, 3]]])
    same, larger = predictions(lambda x: chosen, [chosen] * 2, [picture((2, 2)), picture((4, 4))], align_corners=True)
    assert torch.equal(same, chosen.byte())
    assert torch.equal(larger, chosen.byte().repeat_interleave(2, 1).repeat_interleave(2, 2))


def test_each_picture_is_run_on_its_own_input() -> None:
    inputs = [torch.full((1, 2, 2), value) for value in (1, 2)]
    found = predictions(lambda x: x, inputs, [picture((2, 2))] * 2, align_corners=False)
    assert [int(one[0, 0, 0]) for one in found] == [1, 2]


def test_a_missing_picture_is_an_error() -> None:
    with pytest.raises(ValueError, match="zip"):
        predictions(lambda x: x, [torch.zeros(1, 2, 2)], [picture((2, 2))] * 2, align_corners=False)


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(0, 6)), min_size=1, max_size=4))
def test_agreement_weighs_pixels(sizes: list[tuple[int, int]]) -> None:
    one = [torch.zeros(pixels, dtype=torch.int64) for pixels, _ in sizes]
    other = [(torch.arange(pixels) < wrong).long() for pixels, wrong in sizes]
    wrong = sum(min(pixels, off) for pixels, off in sizes)
    assert agreement(one, other) == pytest.approx(1 - wrong / sum(pixels for pixels, _ in sizes))


def test_mean_iou_of_the_labelled() -> None:
    label = torch.tensor([[0, 0], [1, 1]])
    found = [torch.tensor([[[0, 1], [1, 1]]]), torch.tensor([[[1, 1], [1, 1]]])]
    pictures = [picture((2, 2), label), picture((2, 2))]
    assert score(found, pictures, 2) == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert score(found, [picture((2, 2))] * 2, 2) is None
