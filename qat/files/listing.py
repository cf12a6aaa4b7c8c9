"""The files below a folder, also those behind links to folders."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path


def files_below(folder: str | Path) -> Iterator[Path]:
    """Yields the files below `folder`, as paths that begin with it, in no order.

    A link to a folder is followed, as data sets have them to another disk. Each folder is listed once, under its own
    path where it has one below `folder`, and none of those that hold `folder`: links that lead back end there.
    """
    top = Path(os.path.realpath(folder))
    seen, links = {str(above) for above in top.parents}, [Path(folder)]
    while links:
        for where, folders, names in os.walk(links.pop(0)):
            place = os.path.realpath(where)
            if place in seen:
                folders.clear()
                continue
            seen.add(place)
            yield from (Path(where, name) for name in names)
            links += (path for name in sorted(folders) if (path := Path(where, name)).is_symlink())
