"""What is being made lies beside its place, in a part that its process locks; a later run removes what nobody holds."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from qat.files.locks import give_back, try_lock, wait_for

BEFORE = "before"  # in a folder's part: what lay in its place
_LONGEST = 200  # bytes of a name; file systems take 255, and a part's name is longer than its file's
_LOCK = ".lock"  # what the name of a part's lock has beside the part's
_PART = re.compile(rf"\.(?P<name>.+)\.[0-9a-f]{{8}}\.part({re.escape(_LOCK)})?")
_SCRATCH = "rtseg-qat-"
_log = logging.getLogger(__name__)


def short_name(name: str) -> str:
    """Returns `name`, or its beginning and its hash where it has more bytes than a file system may take.

    >>> short_name("a.png"), len(short_name("a" * 999))
    ('a.png', 200)
    """
    data = name.encode()
    if len(data) <= _LONGEST:
        return name
    digest = hashlib.sha256(data).hexdigest()[:16]
    return data[: _LONGEST - len(digest) - 1].decode(errors="ignore") + f"-{digest}"


@contextmanager
def part(path: Path) -> Iterator[Path]:
    """Yields a free path beside `path` for what will replace it, locked; what is there at the end is removed.

    What killed runs left in the folder is removed first.
    """
    sweep(path.parent.absolute())
    aside = path.with_name(f".{short_name(path.name)}.{secrets.token_hex(4)}.part")
    with _held(aside):
        yield aside


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Yields a new folder among the system's temporary ones, which is removed at the end, or by a later run."""
    root = Path(tempfile.gettempdir())
    _sweep_scratch(root)
    aside = root / f"{_SCRATCH}{secrets.token_hex(8)}"
    with _held(aside):
        aside.mkdir(mode=0o700)
        yield aside


@contextmanager
def _held(aside: Path) -> Iterator[None]:
    lock = wait_for(_lock_of(aside))  # its name is new: no more than another's sweep has it
    try:
        yield
    finally:
        try:
            _remove(aside)
        finally:  # also where a signal comes while that goes on
            give_back(lock)


def _lock_of(aside: Path) -> Path:
    return aside.with_name(aside.name.removesuffix(_LOCK) + _LOCK)


def _remove(aside: Path) -> None:
    with suppress(OSError):  # a read-only file system refuses even what isn't there
        if aside.is_dir() and not aside.is_symlink():
            shutil.rmtree(aside)
        else:
            aside.unlink(missing_ok=True)


def restored(folder: Path) -> Path:
    """Returns `folder`; where a run was killed while it replaced it, the folder is what it was before."""
    if not folder.exists():
        sweep(folder.parent.absolute())
    return folder


@cache  # once a process: only another one leaves something
def sweep(folder: Path) -> None:
    """Remove the parts in a folder that nobody holds, and put back what they had taken away."""
    for aside in _entries(folder):
        if (match := _PART.fullmatch(aside.name)) and _is_free(aside):
            if (aside / BEFORE).exists() and not (place := folder / match["name"]).exists():
                os.replace(aside / BEFORE, place)
                _log.info("%s is as it was before a run that was killed", place)
            if os.path.lexists(aside) and aside.suffix != _LOCK:
                _remove(aside)
                _log.info("removed %s, which a killed run left", aside)


@cache
def _sweep_scratch(root: Path) -> None:
    for aside in _entries(root):
        mine = aside.name.startswith(_SCRATCH) and not aside.is_symlink() and _is_own(aside)
        if mine and _is_free(aside) and aside.suffix != _LOCK:
            _remove(aside)


def _entries(folder: Path) -> list[Path]:
    with suppress(OSError):
        return sorted(folder.iterdir())
    return []


def _is_own(path: Path) -> bool:
    with suppress(OSError):
        return not hasattr(os, "getuid") or path.lstat().st_uid == os.getuid()
    return False


def _is_free(aside: Path) -> bool:
    """Whether no process holds a part; where locks can't be asked it stays, which is said."""
    try:
        lock = try_lock(_lock_of(aside))
    except OSError as error:
        _log.warning("%s may be left by a killed run; locks don't work there (%s): remove it by hand", aside, error)
        return False
    if lock is not None:
        give_back(lock)
    return lock is not None
