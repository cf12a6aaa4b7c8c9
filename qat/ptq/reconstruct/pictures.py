"""Which part of which picture each step sees: a function of the seed and the step, so that a run can go on anywhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor

from qat.errors import UserError


def crops(
    batches: Callable[[], Iterable[Tensor]], size: tuple[int, int], seed: int, start: int = 0
) -> Iterator[Tensor]:
    """From step `start` on, each step's batch (N, 3, *size), without end: a random part, mirrored half of the time.

    `batches` gives pictures (N, 3, H, W), in the same order each time. UserError where one is smaller than `size` =
    (height, width).
    """
    step = 0
    while True:
        for batch in batches():
            if step >= start:
                yield _crop(batch, size, torch.Generator().manual_seed((seed << 32) + step))
            step += 1


def _crop(batch: Tensor, size: tuple[int, int], generator: torch.Generator) -> Tensor:
    if batch.shape[-2] < size[0] or batch.shape[-1] < size[1]:
        raise UserError(
            f"a calibration picture is {batch.shape[-1]}x{batch.shape[-2]}, smaller than reconstruction's "
            f"{size[1]}x{size[0]}; set TEST.IMAGE_SIZE, which the pictures have, or QUANT.RECONSTRUCT False"
        )
    top, left = (
        int(torch.randint(have - want + 1, (1,), generator=generator))
        for have, want in zip(batch.shape[-2:], size, strict=True)
    )
    part = batch[..., top : top + size[0], left : left + size[1]]
    return part.flip(-1) if torch.rand(1, generator=generator) < 0.5 else part
