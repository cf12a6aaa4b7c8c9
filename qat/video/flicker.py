"""Flicker: the share of pixels whose class changes from a frame to the next, what a driver sees first.

Memory doesn't grow with the video: a curve has at most `POINTS` points and a strip at most `SHOWN` pictures. When one
is full, two neighbours become one, and from then on a point stands for twice as many frames.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from qat.video.frames import Pixels

POINTS = 512  # of a curve
SHOWN = 12  # pictures of a strip
T = TypeVar("T")


@dataclass
class Curve:
    """The mean of each stretch of `span` values, and of all.

    >>> curve = Curve(most=2)
    >>> for value in (1.0, 3.0, 5.0):
    ...     curve.add(value)
    >>> curve.points, curve.span, curve.mean
    ([2.0, 5.0], 2, 3.0)
    """

    most: int = POINTS
    span: int = 1
    _sums: list[float] = field(default_factory=list)
    _counts: list[int] = field(default_factory=list)

    def add(self, value: float) -> None:
        """Add the next value."""
        if not self._counts or self._counts[-1] == self.span:
            if len(self._counts) == self.most:
                self._halve()
            if not self._counts or self._counts[-1] == self.span:
                self._sums.append(0.0)
                self._counts.append(0)
        self._sums[-1] += value
        self._counts[-1] += 1

    @property
    def points(self) -> list[float]:
        """The mean of each stretch."""
        return [total / count for total, count in zip(self._sums, self._counts, strict=True)]

    @property
    def mean(self) -> float | None:
        """Of all values; None without one."""
        return sum(self._sums) / sum(self._counts) if self._counts else None

    def _halve(self) -> None:
        self.span *= 2
        self._sums = [sum(self._sums[at : at + 2]) for at in range(0, len(self._sums), 2)]
        self._counts = [sum(self._counts[at : at + 2]) for at in range(0, len(self._counts), 2)]


@dataclass
class Strip(Generic[T]):
    """Every `span`th item, at most `SHOWN` of them, each with its number from 0.

    >>> strip = Strip(most=2)
    >>> for index in range(5):
    ...     if strip.wants(index):
    ...         strip.add(index, str(index))
    >>> strip.items
    [(0, '0'), (4, '4')]
    """

    most: int = SHOWN
    span: int = 1
    items: list[tuple[int, T]] = field(default_factory=list)

    def wants(self, index: int) -> bool:
        """Whether item `index` will be kept."""
        if index % self.span == 0 and len(self.items) == self.most:
            self.span *= 2
            self.items = self.items[::2]
        return index % self.span == 0

    def add(self, index: int, item: T) -> None:
        """Keep it."""
        self.items.append((index, item))


class Flicker:
    """The curve of one stage.

    >>> flicker = Flicker()
    >>> flicker.add(np.zeros((3, 1, 4), np.uint8))
    >>> flicker.add(np.array([[[0, 0, 0, 1]]], np.uint8))
    >>> flicker.curve.points
    [0.0, 0.0, 0.25]
    """

    def __init__(self) -> None:
        self.curve = Curve()
        self._last: Pixels | None = None

    def add(self, classes: NDArray[np.uint8]) -> None:
        """Add the classes (N, H, W) of the next N frames."""
        for one in classes:
            if self._last is not None:
                self.curve.add(float(np.count_nonzero(one != self._last)) / one.size)
            self._last = one
        self._last = None if self._last is None else self._last.copy()  # the batch's memory is used again
