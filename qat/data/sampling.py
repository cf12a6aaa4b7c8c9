"""Which images, in which order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from torch.utils.data import Dataset, Sampler


def evenly_spaced(length: int, count: int) -> list[int]:
    """`count` indices spread evenly over `length` items, or all of them where there are no more.

    >>> evenly_spaced(367, 4)
    [0, 91, 183, 275]
    """
    count = min(length, count)
    return [i * length // count for i in range(count)]


def held_out(length: int, taken: Sequence[int], count: int) -> list[int]:
    """`count` indices spread evenly over what is left of `length` items without those `taken`, or all that are left.

    >>> held_out(8, [0, 2, 4, 6], 2)
    [1, 5]
    """
    left = sorted(set(range(length)) - set(taken))
    return [left[i] for i in evenly_spaced(len(left), count)]


class EpochSampler(Sampler[int]):
    """The given indices, in order or shuffled by (seed, the dataset's epoch)."""

    def __init__(self, dataset: Dataset[Any], indices: Sequence[int], seed: int, shuffle: bool) -> None:
        self.dataset, self.indices, self.seed, self.shuffle = dataset, list(indices), seed, shuffle

    def __len__(self) -> int:
        """The number of indices."""
        return len(self.indices)

    def __iter__(self) -> Iterator[int]:
        """One pass of the dataset's current epoch."""
        if not self.shuffle:
            return iter(self.indices)
        rng = np.random.default_rng([self.seed, getattr(self.dataset, "epoch", 0)])
        return iter([self.indices[i] for i in rng.permutation(len(self.indices))])
