"""A pose network's heat maps to points, in numpy.

The peak's cell, moved a quarter of a cell towards the higher neighbour: what HRNet's and mmpose's top-down pose
networks decode (Sun et al. 2019, arXiv:1902.09212, section 3.2; mmpose 0.x, `keypoints_from_heatmaps`, its default).
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float32]

QUARTER = 0.25  # of a cell


def points_of(maps: Floats, size: tuple[int, int]) -> Floats:
    """The points of a picture.

    Args:
        maps: (points, h, w) heat maps, which span the picture.
        size: height and width of the picture in pixels.

    Returns:
        (points, 3): x and y in pixels, and the peak's value, which says how sure the network is. A map without a
        positive value has its point at the picture's corner.

    Example:
        >>> maps = np.zeros((1, 8, 8), np.float32)
        >>> maps[0, 4, 3], maps[0, 4, 4] = 1, 0.5
        >>> points_of(maps, (32, 32)).tolist()
        [[13.0, 16.0, 1.0]]
    """
    count, height, width = maps.shape
    peak = maps.reshape(count, -1).argmax(1)
    row, column = peak // width, peak % width
    value = maps[np.arange(count), row, column]
    cells = np.stack([column, row], 1).astype(np.float32) + QUARTER * _uphill(maps, row, column)
    cells[value <= 0] = 0
    scale = np.array([size[1] / width, size[0] / height], np.float32)
    return np.concatenate([cells * scale, value[:, None]], 1).astype(np.float32)


def _uphill(maps: Floats, row: NDArray[np.int64], column: NDArray[np.int64]) -> Floats:
    """(points, 2): the sign of the slope at each peak along x and y; 0 for a peak at the map's rim."""
    count, height, width = maps.shape
    inner = (column > 1) & (column < width - 1) & (row > 1) & (row < height - 1)
    index, row, column = np.arange(count), row.clip(1, height - 2), column.clip(1, width - 2)
    across = maps[index, row, column + 1] - maps[index, row, column - 1]
    down = maps[index, row + 1, column] - maps[index, row - 1, column]
    return np.where(inner[:, None], np.sign(np.stack([across, down], 1)), 0).astype(np.float32)
