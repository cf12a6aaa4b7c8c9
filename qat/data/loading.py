"""Batches from a dataset: which images, in which order, decoded ahead by workers.

A UserError in a worker reaches the caller as the same UserError.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence, Sized
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch.utils.data import DataLoader, Dataset, Sampler, default_collate

from qat.data.workers import fresh_processes, passing, start_worker
from qat.errors import UserError

_KILLED = "mostly for want of memory, or of shared memory in a container"
_REMEDY = "lower WORKERS, set WORKERS 0, or give the container more (docker run --shm-size 1g)"
_DIED = ("exited unexpectedly", "killed by signal", "shared memory", "unable to write to file </torch_")


def data_loader(
    dataset: Dataset[Any],
    batch_size: int,
    workers: int,
    shuffle: bool = False,
    seed: int = 0,
    sampler: Sampler[int] | None = None,
    drop_last: bool = False,
    indices: Sequence[int] | None = None,
) -> Loader:
    """Returns an iterable of collated batches: tensors (N, ...) by name, and `name`, a list of N.

    The order: that of `sampler`; else of `indices`, else of the dataset; shuffled by (seed, the dataset's epoch).
    """
    if sampler is None:
        sampler = EpochSampler(dataset, range(len(dataset)) if indices is None else indices, seed, shuffle)  # type: ignore[arg-type]
    batches: DataLoader[Any] = DataLoader(
        _Guarded(dataset),
        batch_size=batch_size,
        sampler=sampler,
        num_workers=workers,
        drop_last=drop_last,
        collate_fn=_collate,
        worker_init_fn=start_worker,
        multiprocessing_context=fresh_processes() if workers else None,
    )
    return Loader(dataset, sampler, batches)


@dataclass(frozen=True)
class Loader:
    """A DataLoader that knows epochs. Its workers live for one pass, so that they see the epoch."""

    dataset: Dataset[Any]
    sampler: Sampler[int]
    batches: DataLoader[Any]

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch of the dataset's random pictures and of the order; call it before a pass."""
        for part in (self.dataset, self.sampler):
            if hasattr(part, "set_epoch"):
                part.set_epoch(epoch)

    def __len__(self) -> int:
        """The number of batches."""
        return len(self.batches)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """One pass; UserError as the dataset raised it, or for a worker that was killed."""
        try:
            for batch in passing(self.batches):
                if isinstance(batch, _Failure):
                    raise UserError(batch.message)
                yield batch
        except (RuntimeError, OSError) as error:
            if any(sign in str(error) for sign in _DIED):
                raise UserError(f"a data worker died ({_KILLED}{_shared_memory()}); {_REMEDY}") from error
            raise


@dataclass(frozen=True)
class _Failure:
    """Carries a UserError's text out of a worker; torch would wrap an exception in its traceback."""

    message: str


@dataclass(frozen=True)
class _Guarded(Dataset[Any]):
    dataset: Dataset[Any]

    def __len__(self) -> int:
        return len(self.dataset) if isinstance(self.dataset, Sized) else 0

    def __getitem__(self, index: int) -> Any:
        try:
            return self.dataset[index]
        except UserError as error:
            return _Failure(str(error))


def _shared_memory() -> str:
    """How much there is, where that can be seen."""
    try:
        return f": /dev/shm has {shutil.disk_usage('/dev/shm').total >> 20} MB"
    except OSError:
        return ""


def _collate(samples: list[Any]) -> Any:
    failure = next((sample for sample in samples if isinstance(sample, _Failure)), None)
    return failure or _size_mismatch(samples) or _together(samples)


def _together(samples: list[dict[str, Any]]) -> dict[str, Any]:
    """Tensors that are as long in every sample are stacked; others, such as lists of boxes, are a list."""
    batch = {}
    for name in samples[0]:
        values = [sample[name] for sample in samples]
        same = len({getattr(value, "shape", None) for value in values}) == 1
        batch[name] = default_collate(values) if same else values
    return batch


def _size_mismatch(samples: list[dict[str, Any]]) -> _Failure | None:
    first = samples[0]
    for other in samples[1:]:
        a, b = tuple(first["image"].shape), tuple(other["image"].shape)
        if a != b:
            detail = f"{first['name']} {a} and {other['name']} {b}"
            return _Failure(
                f"images of one batch differ in size: {detail}; set the batch size (BATCH_SIZE_PER_GPU) to 1"
            )
    return None


def evenly_spaced(length: int, count: int) -> list[int]:
    """Returns `count` indices spread evenly over `length` items, or all of them if there are fewer.

    >>> evenly_spaced(367, 4)
    [0, 91, 183, 275]
    """
    count = min(length, count)
    return [i * length // count for i in range(count)]


def held_out(length: int, taken: Sequence[int], count: int) -> list[int]:
    """Returns `count` indices spread evenly over the items of `length` that aren't `taken`, or all of those.

    >>> held_out(8, [0, 2, 4, 6], 2)
    [1, 5]
    """
    left = sorted(set(range(length)) - set(taken))
    return [left[i] for i in evenly_spaced(len(left), count)]


class EpochSampler(Sampler[int]):
    """Yields `indices` in order, or shuffled by (seed, the dataset's epoch)."""

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
