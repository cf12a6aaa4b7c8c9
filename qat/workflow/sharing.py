"""How a command's processes share pictures: whole batches by index, of files that all of them see alike."""

from __future__ import annotations

import platform
import uuid
from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path

from torch import Tensor

from qat.backends.protocol import Prepared
from qat.data import SegmentationDataset
from qat.data.content import picture_digests
from qat.distributed import Group
from qat.errors import UserError
from qat.files import remove, write_text
from qat.workflow.progress import Progress


def own_part(group: Group, indices: Sequence[int], batch_size: int) -> list[int]:
    """Returns this process's pictures of `indices`: whole batches, as one process would make them."""
    batches = [indices[start : start + batch_size] for start in range(0, len(indices), batch_size)]
    return list(chain.from_iterable(group.part(batches, "pictures" if batch_size == 1 else "batches of pictures")))


def state_of(prepared: Prepared) -> dict[str, Tensor]:
    """A network's state on the CPU, to be carried to processes with other devices."""
    return {name: value.cpu() for name, value in prepared.state_dict().items()}


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
                sees = "sees another file as" if name in files else "doesn't see"
                raise UserError(
                    f"process {rank} on {host} {sees} {name}, which process 0 reads; give all "
                    "machines the same DATASET.ROOT"
                )


def check_shared_folder(group: Group, folder: Path) -> None:
    """UserError that names the first process that doesn't see what the first one writes in `folder`.

    Every process calls it.
    """
    if group.world == 1:
        return
    mark = group.spread(_marked(folder) if group.main else folder)
    seen = group.gather((platform.node(), mark.is_file()))
    if group.main:
        remove(mark)
    for rank, (host, there) in enumerate(seen):
        if not there:
            raise UserError(
                f"process {rank} on {host} doesn't see {folder} of process 0 on {platform.node()}; give all machines "
                "one folder (OUTPUT_DIR, or --output)"
            )


def _marked(folder: Path) -> Path:
    """Writes a file of a new name."""
    mark = folder / f".shared-{uuid.uuid4().hex}"
    write_text(mark, "")
    return mark


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
