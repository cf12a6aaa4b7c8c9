"""What lies on the disk where a process may end: before each rename and each removal of a run."""

from __future__ import annotations

import os
import pathlib
import shutil
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from qat.backends import calibration
from qat.cli.transcript import FOLDER as LOGS
from qat.files import content, parts

CALLS = ("replace", "rename", "unlink", "remove", "rmdir")


@contextmanager
def before_each(act: Callable[[Path], None]) -> Iterator[None]:
    """`act` is called with the path before anything is renamed or removed."""
    with pytest.MonkeyPatch.context() as patch:
        for name in CALLS:
            patch.setattr(os, name, _acting(act, getattr(os, name)))
        accessor = getattr(pathlib, "_NormalAccessor", None)  # Python 3.10 keeps them there
        for name in CALLS if accessor else ():
            if hasattr(accessor, name):
                patch.setattr(accessor, name, staticmethod(getattr(os, name)))
        yield


def _acting(act: Callable[[Path], None], real: Callable[..., Any]) -> Callable[..., Any]:
    def call(path: Any, *arguments: Any, **named: Any) -> Any:
        if "dir_fd" not in named:  # of rmtree, whose first step is seen
            act(Path(path))
        return real(path, *arguments, **named)

    return call


def snapshots(folder: Path, run: Callable[[], object], into: Path, inside: Collection[Path] = ()) -> list[Path]:
    """Runs `run`; returns copies of `folder` as a kill before each rename and removal in it would leave it.

    `inside`: the folders whose own entries count; by default all below.
    """
    found: list[Path] = []

    def copy(path: Path) -> None:
        if path.parent in inside if inside else folder in path.absolute().parents:
            found.append(Path(shutil.copytree(folder, into / str(len(found)))))

    with before_each(copy):
        run()
    return found


def visible(folder: Path) -> dict[str, bytes]:
    """The content of every file, by path, but what is in the making, and what commands said."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.parent.name != LOGS)
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in files
        if not any(part.endswith((".part", ".lock")) for part in path.relative_to(folder).parts)
    }


def put_back(snapshot: Path, folder: Path) -> None:
    """Make `folder` what it was, as a new process finds it."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(snapshot, folder)
    for cache in (parts.sweep, content._known, calibration._recorded):
        cache.cache_clear()
