"""Logits at 1/8 size to classes at label size, without full-size logits.

Bilinear interpolation is a convex combination of four corner logits. Where one class is the largest at all four
corners of a low-resolution cell, it is the largest in the whole cell, which is filled without arithmetic. Only the
other cells, at class borders, are interpolated: some 6 % at 2048x1024, where this takes a 40th of the time on a thread.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

# Values at once: they stay in a core's L2 cache, and below the 32768 where torch's element-wise operations start
# threads, whose barriers cost ten times the work while decoding workers hold the cores.
CHUNK = (1 << 15) - 1


@dataclass(frozen=True)
class Axis:
    """Which pixels lie in which low-resolution cell, along one axis; cell i spans samples i and min(i + 1, last)."""

    cell: Tensor  # (pixels,) int64: the cell of each pixel
    covered: Tensor  # (cells,) bool: whether a pixel lies in it
    pixel: Tensor  # (K, cells) int64: its pixels, the last one repeated up to K, the most that a cell has
    weight: Tensor  # (K, cells) float32: of the second sample at those pixels


@torch.no_grad()
def upsample_argmax(
    logits: Tensor, size: Sequence[int], align_corners: bool, canvas: Sequence[int] | None = None
) -> Tensor:
    """Equal to `F.interpolate(logits, size, mode="bilinear", align_corners=...).argmax(1)`, up to ties of rounding.

    `logits` is float (N, C, h, w), finite, with C at most 256, on any device; the result is uint8 (N, *size).
    `canvas`: height and width that the logits span, where the picture is padded; `size` is cut from its top left.
    """
    logits, whole = logits.float().contiguous(), canvas or size
    rows = axis(logits.shape[2], whole[0], align_corners, logits.device)
    cols = axis(logits.shape[3], whole[1], align_corners, logits.device)
    return torch.stack([_upsample_one(image, rows, cols) for image in logits])[:, : size[0], : size[1]]


@lru_cache(maxsize=16)
def axis(samples: int, pixels: int, align_corners: bool, device: torch.device) -> Axis:
    """The cells and weights of torch's bilinear mode, in float32 as torch computes them."""
    position = torch.arange(pixels, dtype=torch.float32)
    if align_corners:
        position *= torch.tensor((samples - 1) / (pixels - 1) if pixels > 1 else 0.0, dtype=torch.float32)
    else:
        position = ((position + 0.5) * torch.tensor(samples / pixels, dtype=torch.float32) - 0.5).clamp(min=0)
    cell = position.long().clamp(max=samples - 1)
    count = torch.bincount(cell, minlength=samples)
    first = count.cumsum(0) - count
    step = torch.arange(int(count.max()))[:, None]
    pixel = (first + step.minimum(count - 1)).clamp(0, pixels - 1)
    weight = (position - cell).clamp(0, 1)[pixel]
    return Axis(cell.to(device), (count > 0).to(device), pixel.to(device), weight.to(device))


def _upsample_one(logits: Tensor, rows: Axis, cols: Axis) -> Tensor:
    """Classes (H, W) of one image's logits (C, h, w)."""
    lines = max(1, CHUNK // logits.shape[2])
    corner = torch.cat([_argmax(_planes(band)) for band in torch.split(logits, lines, dim=1)])
    out = corner.index_select(1, cols.cell).index_select(0, rows.cell)
    mixed = _mixed(corner) & rows.covered[:, None] & cols.covered
    cells = max(1, CHUNK // (len(rows.pixel) * len(cols.pixel)))
    for y, x, corners, classes in _contests(logits, mixed, cells):
        pixel = rows.pixel[:, None, y] * out.shape[1] + cols.pixel[None, :, x]
        out.view(-1)[pixel] = _argmax(_interpolated(corners, classes, rows.weight[:, y], cols.weight[:, x]))
    return out


def _mixed(corner: Tensor) -> Tensor:
    """Which cells of a class map (h, w) have corners of different classes."""
    right = corner[:, 1:] != corner[:, :-1]
    below = corner[1:] != corner[:-1]
    mixed = torch.zeros_like(corner, dtype=torch.bool)
    mixed[:, :-1] |= right
    mixed[:-1] |= below
    mixed[:-1, :-1] |= right[1:]  # the fourth side can't differ alone
    return mixed


def _contests(logits: Tensor, mixed: Tensor, size: int) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """Chunks y, x (n) of the `mixed` cells (h, w), their corners' logits (C, 4, n) and the classes (k, n) that can win.

    A class whose largest corner lies below another's smallest one can't win: at most borders only a few are left.
    Cells with equally many come together, so that k is small in most chunks.
    """
    _, height, width = logits.shape
    y, x = mixed.nonzero(as_tuple=True)
    top, bottom, right = y * width, (y + 1).clamp(max=height - 1) * width, (x + 1).clamp(max=width - 1)
    corners = logits.flatten(1)[:, torch.stack([top + x, bottom + x, top + right, bottom + right])]
    can_win = corners.amax(1) >= corners.amin(1).amax(0)
    count = can_win.sum(0)
    # those that can win come first, in the classes' order
    first = torch.argsort(can_win.byte(), dim=0, descending=True, stable=True)
    for chunk in torch.split(count.argsort(), size):
        if len(chunk):
            yield y[chunk], x[chunk], corners[:, :, chunk], first[: int(count[chunk].max()), chunk]


def _interpolated(corners: Tensor, classes: Tensor, down: Tensor, across: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """For each of the k `classes` (k, n): itself, and its logits (Ky, Kx, n) at the cells' pixels; one buffer."""
    buffer = corners.new_empty(len(down), *across.shape)
    for index in classes:
        top_left, bottom_left, top_right, bottom_right = corners.gather(0, index.expand(1, 4, -1))[0]
        start, end = torch.lerp(top_left, bottom_left, down), torch.lerp(top_right, bottom_right, down)
        yield index.byte(), torch.lerp(start[:, None], end[:, None], across, out=buffer)


def _planes(band: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Each class of logits (C, h, w) with its plane."""
    return zip(torch.arange(len(band), dtype=torch.uint8, device=band.device), band, strict=True)


def _argmax(planes: Iterator[tuple[Tensor, Tensor]]) -> Tensor:
    """The class (uint8) of the largest of equally shaped planes, the first among equals; much faster than argmax(0)."""
    index, plane = next(planes)
    best, winner = plane.clone(), index.expand(plane.shape).clone()
    larger = torch.empty_like(best, dtype=torch.bool)
    for index, plane in planes:
        torch.gt(plane, best, out=larger)
        torch.maximum(best, plane, out=best)
        torch.where(larger, index, winner, out=winner)
    return winner
