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
    """Which pixels lie in which low-resolution cell, along one axis; cell i spans samples i - 1 and i, where there are.

    Pixels before the first sample and after the last one have cells of their own, so that all cells have equally many.
    """

    cell: Tensor  # (pixels,) int64: the cell of each pixel
    covered: Tensor  # (samples + 1,) bool: whether a pixel lies in it
    pixel: Tensor  # (K, samples + 1) int64: its pixels, the last one repeated up to K, the most that a cell has
    weight: Tensor  # (K, samples + 1) float32: of the second sample at those pixels


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
        position = (position + 0.5) * torch.tensor(samples / pixels, dtype=torch.float32) - 0.5
    before = position.floor().clamp(-1, samples - 1)
    cell = before.long() + 1
    count = torch.bincount(cell, minlength=samples + 1)
    first = count.cumsum(0) - count
    step = torch.arange(int(count.max()))[:, None]
    pixel = (first + step.minimum(count - 1)).clamp(0, pixels - 1)
    weight = (position - before).clamp(0, 1)[pixel]
    return Axis(cell.to(device), (count > 0).to(device), pixel.to(device), weight.to(device))


def _upsample_one(logits: Tensor, rows: Axis, cols: Axis) -> Tensor:
    """Classes (H, W) of one image's logits (C, h, w)."""
    logits = torch.nn.functional.pad(logits[None], (1, 1, 1, 1), mode="replicate")[0]
    lines = max(1, CHUNK // logits.shape[2])
    corner = torch.cat([_argmax(_planes(band)) for band in torch.split(logits, lines, dim=1)])
    out = corner.index_select(1, cols.cell).index_select(0, rows.cell)
    mixed = _mixed(corner) & rows.covered[:, None] & cols.covered
    cells = max(1, CHUNK // (len(rows.pixel) * len(cols.pixel)))
    line = rows.pixel * out.shape[1]
    for y, x, corners, classes in _contests(logits, mixed, cells):
        planes = _interpolated(corners, rows.weight[:, y], cols.weight[:, x])
        winner = _argmax(zip(classes.byte(), planes, strict=True))
        pixel = line[:, None, y] + cols.pixel[:, x]
        out.view(-1).scatter_(0, pixel.flatten(), winner.flatten())
    return out


def _mixed(corner: Tensor) -> Tensor:
    """Which cells (h - 1, w - 1) of a class map (h, w) have corners of different classes."""
    right = corner[:, 1:] != corner[:, :-1]
    below = corner[1:] != corner[:-1]
    return right[:-1] | right[1:] | below[:, :-1]  # the fourth side can't differ alone


def _contests(logits: Tensor, mixed: Tensor, size: int) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """Chunks y, x (n) of the `mixed` cells (h - 1, w - 1) of logits (C, h, w), with the classes (k, n) that can win.

    With them come their corners' logits (k, 4, n). A class whose largest corner lies below another's smallest one can't
    win: at most borders only a few are left. Cells with equally many come together, so that k is small in most chunks.
    """
    _, height, width = logits.shape
    y, x = mixed.nonzero(as_tuple=True)
    corner = torch.tensor([0, width, 1, width + 1], device=logits.device)[:, None]
    places = y * width + x + corner
    corners = logits.flatten(1).index_select(1, places.flatten()).unflatten(1, (4, -1))
    can_win = corners.amax(1) >= corners.amin(1).amax(0)
    count, order = can_win.sum(0).sort()
    y, x, places, classes = y[order], x[order], places[:, order], _listed(can_win.T[order], count)
    for start in range(0, len(y), size):
        chunk = slice(start, start + size)
        found = classes[: int(count[chunk][-1]), chunk]
        yield y[chunk], x[chunk], logits.take(found[:, None] * (height * width) + places[:, chunk]), found


def _listed(chosen: Tensor, count: Tensor) -> Tensor:
    """The classes (k, n) that are `chosen` (n, C), `count` (n) of them, in order; then the first one again."""
    cell, index = chosen.nonzero(as_tuple=True)
    first = count.cumsum(0) - count
    listed = index[first].expand(int(count.max()) if len(count) else 0, -1).clone()
    listed[torch.arange(len(cell), device=cell.device) - first[cell], cell] = index
    return listed


def _interpolated(corners: Tensor, down: Tensor, across: Tensor) -> Iterator[Tensor]:
    """For each of k classes its logits (Ky, Kx, n) at the pixels of n cells, of its `corners` (k, 4, n).

    All but the first are in one buffer.
    """
    top_left, bottom_left, top_right, bottom_right = corners[:, :, None].unbind(1)
    start, end = torch.lerp(top_left, bottom_left, down), torch.lerp(top_right, bottom_right, down)
    buffer = corners.new_empty(len(down), *across.shape)
    for index in range(len(corners)):
        out = buffer if index else None
        yield torch.lerp(start[index, :, None], end[index, :, None], across, out=out)


def _planes(band: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Each class of logits (C, h, w) with its plane."""
    return zip(torch.arange(len(band), dtype=torch.uint8, device=band.device), band, strict=True)


def _argmax(planes: Iterator[tuple[Tensor, Tensor]]) -> Tensor:
    """The class (uint8) of the largest of equally shaped planes, the first among equals; much faster than argmax(0).

    Classes rise, or repeat the first one. The first plane must stay as it is; another may be gone with the next one.
    """
    index, best = next(planes)
    winner = index.expand(best.shape).clone()
    larger, largest = torch.empty_like(best, dtype=torch.bool), torch.empty_like(best)
    here = torch.empty_like(winner)
    for index, plane in planes:
        torch.gt(plane, best, out=larger)
        torch.mul(larger.view(torch.uint8), index, out=here)
        torch.maximum(winner, here, out=winner)  # many times faster than torch.where
        best = torch.maximum(best, plane, out=largest)
    return winner
