"""How a command's processes share pictures: whole batches by index, of files that all of them see alike."""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from itertools import chain

from qat.data import SegmentationDataset
from qat.data.content import picture_digests
from qat.distributed import Group
from qat.errors import UserError
from qat.workflow.progress import Progress


def own_part(group: Group, indices: Sequence[int], batch_size: int) -> list[int]:
    """Returns this process's pictures of `indices`: whole batches, as one process would make them."""
    batches = [indices[start : start + batch_size] for start in range(0, len(indices), batch_size)]
    return list(chain.from_iterable(group.part(batches, "pictures" if batch_size == 1 else "batches of pictures")))


def check_same_files(group: Group, dataset: SegmentationDataset, indices: Sequence[int]) -> None:
    """UserError that names the first picture that its process doesn't see as the first process does.

    Every process calls it; `indices`: of all pictures that are shared.
    """
    if group.world == 1:
        return
    own = group.share(indices)
    for rank, (host, files) in enumerate(group.gather((platform.node(), picture_digests(dataset, own)))):
        theirs = Group(rank, group.world).share(indices)
        for name, digest in picture_digests(dataset, theirs).items() if rank else ():
            if files.get(name) != digest:
                has = "has another file" if name in files else "has no file"
                raise UserError(
                    f"process {rank} on {host} {has} for {name} of DATASET.ROOT than process 0; give all machines the "
                    "same folder"
                )


def shared_counter(group: Group, progress: Progress, total: int, title: str) -> Callable[..., None]:
    """Returns a function (steps, text="") that adds steps of this process; the bar shows those of all.

    0 steps: show what the others have done since.
    """
    count, shown = group.counter(), 0

    def advance(steps: int = 1, text: str = "") -> None:
        nonlocal shown
        before, shown = shown, count(steps)
        if shown > before:
            progress(shown, total, f"{title}: {text}")

    return advance
