"""The loss of heat maps of key points: mean squared error against Gaussians.

As HRNet and Lite-HRNet train (Sun et al. 2019, arXiv:1902.09212, section 3.2; Lite-HRNet's configs for COCO): peaks of
1 and a standard deviation of 2 cells at a quarter of the picture's size; points without a label don't count. The peaks
aren't rounded to cells.
"""

from __future__ import annotations

import torch
from torch import Tensor

SIGMA = 2.0  # cells


def heat_map_loss(maps: Tensor, points: Tensor, size: tuple[int, int]) -> Tensor:
    """The mean over cells and points, float32.

    Args:
        maps: (N, points, h, w) heat maps, which span the picture.
        points: (N, points, 3 or more) x and y in pixels, and above 0 where there is a label.
        size: height and width of the pictures in pixels.

    Returns:
        A scalar; 0 with zero gradients where nothing is labelled.

    Example:
        >>> points = torch.tensor([[[16.0, 8.0, 2.0]]])
        >>> float(heat_map_loss(gaussians(points, (8, 8), (32, 32)), points, (32, 32)))
        0.0
    """
    cells = (maps.shape[2], maps.shape[3])
    weight = (points[..., 2] > 0).float()[..., None, None]
    squares = (maps.float() - gaussians(points, cells, size)).square() * weight
    return squares.mean()


def gaussians(points: Tensor, cells: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """(N, points, h, w) float32, 1 at each point."""
    across, down = (
        _bells(points[..., axis].float() * cells[1 - axis] / size[1 - axis], cells[1 - axis]) for axis in (0, 1)
    )
    return down[..., :, None] * across[..., None, :]


def _bells(centres: Tensor, length: int) -> Tensor:
    """(..., length) along one axis."""
    away = torch.arange(length, device=centres.device) - centres[..., None]
    return torch.exp(-away.square() / (2 * SIGMA**2))
