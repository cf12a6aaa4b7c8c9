"""A folder that appears whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from qat.errors import UserError


@contextmanager
def replaced_folder(folder: Path) -> Iterator[Path]:
    """Give a new folder beside `folder` to fill; it takes `folder`'s place only if the block ends well.

    What was in `folder` stays untouched otherwise. Raises UserError where the disk is full or can't be written; a
    UserError of the block names files where they would have come to lie.
    """
    try:
        with _parents(folder), tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as aside:
            made = Path(aside, "made")
            made.mkdir()
            with _named(made, folder):
                yield made
            _exchange(made, folder, Path(aside, "before"))
    except OSError as error:
        raise _unwritten(folder, error.strerror or str(error)) from error
    except RuntimeError as error:  # torch.jit.save's own for a full disk
        if "file" not in str(error) and "PytorchStreamWriter" not in str(error):
            raise
        raise _unwritten(folder, str(error)) from error


@contextmanager
def _parents(folder: Path) -> Iterator[None]:
    """Make the folders above `folder`; those that weren't there go again if the block fails."""
    missing = [above for above in folder.parents if not os.path.lexists(above)]
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        with suppress(OSError):  # somebody else has put something there
            for above in missing:
                above.rmdir()
        raise


@contextmanager
def _named(made: Path, folder: Path) -> Iterator[None]:
    """In a UserError's text, `folder` for the folder aside, which nobody will find."""
    try:
        yield
    except UserError as error:
        raise UserError(str(error).replace(str(made), str(folder))) from error


def _exchange(made: Path, folder: Path, before: Path) -> None:
    """Rename `made` to `folder`; what lay there goes to `before`, and comes back if that fails."""
    if folder.exists():
        os.replace(folder, before)
    try:
        os.replace(made, folder)
    except OSError:
        with suppress(OSError):  # there was nothing before
            os.replace(before, folder)
        raise


def _unwritten(folder: Path, reason: str) -> UserError:
    first = reason.split("\n")[0]
    return UserError(f"can't write {folder}: {first}; check the folder and the free space")
