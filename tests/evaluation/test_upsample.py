from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F

from qat.evaluation import upsample_argmax
from tests.gpu import needs_gpu

SIZES = {
    "camvid": ((45, 60), (360, 480)),
    "cityscapes": ((128, 256), (1024, 2048)),
    "odd": ((7, 13), (50, 101)),
    "same": ((9, 11), (9, 11)),
    "down": ((40, 60), (13, 17)),
    "up and down": ((40, 6), (13, 47)),
    "one row": ((1, 5), (8, 40)),
    "one sample": ((1, 1), (4, 6)),
    "to one pixel": ((5, 6), (1, 1)),
}


def direct(logits: torch.Tensor, size: tuple[int, int], align_corners: bool) -> torch.Tensor:
    return F.interpolate(logits, size, mode="bilinear", align_corners=align_corners).argmax(1)


def blobs(channels: int, size: tuple[int, int]) -> torch.Tensor:
    """Smooth logits: most cells lie inside one class, as a network's do."""
    coarse = torch.randn(1, channels, 1 + size[0] // 8, 1 + size[1] // 8, generator=torch.Generator().manual_seed(1))
    return F.interpolate(coarse, size, mode="bilinear", align_corners=True)


def noise(channels: int, size: tuple[int, int]) -> torch.Tensor:
    return torch.randn(1, channels, *size, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("make", [blobs, noise])
@pytest.mark.parametrize("align_corners", [True, False], ids=["align", "no align"])
@pytest.mark.parametrize("name", SIZES)
def test_equal_to_interpolate_then_argmax(
    name: str, align_corners: bool, make: Callable[[int, tuple[int, int]], torch.Tensor]
) -> None:
    source, size = SIZES[name]
    logits = make(19, source)
    got = upsample_argmax(logits, size, align_corners)
    different = got != direct(logits, size, align_corners)
    assert got.dtype == torch.uint8
    assert different.float().mean() <= 1e-5


def test_a_class_that_wins_at_no_corner_is_found() -> None:
    logits = torch.tensor([[[[9.0, 0.0]], [[0.0, 9.0]], [[6.0, 6.0]]]])
    assert upsample_argmax(logits, (1, 5), True).tolist() == [[[0, 0, 2, 1, 1]]]


def test_the_first_of_equal_classes_wins_as_in_argmax() -> None:
    logits = torch.zeros(1, 5, 3, 4)
    logits[:, 2:, :, ::2] = 1
    assert torch.equal(upsample_argmax(logits, (17, 23), False), direct(logits, (17, 23), False).byte())


def test_each_image_of_a_batch_stands_alone() -> None:
    batch = torch.cat([blobs(5, (9, 12)), noise(5, (9, 12))])
    together = upsample_argmax(batch, (72, 96), True)
    alone = [upsample_argmax(image[None], (72, 96), True) for image in batch]
    assert torch.equal(together, torch.cat(alone))


def test_memory_layout_and_half_precision_make_no_difference() -> None:
    logits = noise(7, (9, 12)).half()
    expected = upsample_argmax(logits.float(), (72, 96), True)
    assert torch.equal(upsample_argmax(logits.to(memory_format=torch.channels_last), (72, 96), True), expected)


def test_the_most_classes_that_uint8_holds() -> None:
    logits = noise(256, (4, 5))
    assert torch.equal(upsample_argmax(logits, (16, 20), True), direct(logits, (16, 20), True).byte())


@pytest.mark.gpu
@needs_gpu
def test_same_classes_on_a_gpu() -> None:
    logits = blobs(19, (45, 60))
    got = upsample_argmax(logits.to("cuda"), (360, 480), True).cpu()
    assert (got != upsample_argmax(logits, (360, 480), True)).float().mean() <= 1e-5
