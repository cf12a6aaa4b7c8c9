"""Files and folders that take their place whole or not at all, and are on the disk before they do."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

from safetensors import SafetensorError

from qat.errors import UserError
from qat.files.parts import BEFORE, part


@contextmanager
def atomic_path(path: str | Path, durable: bool = True) -> Iterator[Path]:
    """Yields a path beside `path` to write to; it is renamed to `path` only if the block succeeds.

    `durable`: it is on the disk before; without, a crash of the machine may leave damage, which a digest must find.
    Raises UserError when the folder or the file can't be written (read-only, full disk).
    """
    path = Path(path)
    try:
        _check_name(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with part(path) as aside:
            yield aside
            if durable:
                _to_disk(aside)
            os.replace(aside, path)
            if durable:
                _to_disk(path.parent)
    except (OSError, RuntimeError, SafetensorError) as error:  # torch.save's and safetensors' own for a full disk
        raise _unwritten(path, error) from error


@contextmanager
def replaced_folder(folder: Path) -> Iterator[Path]:
    """Yields a new folder beside `folder` to fill; it replaces `folder` only if the block succeeds.

    Otherwise `folder` stays as it was. Raises UserError if the disk is full or can't be written; a UserError of the
    block names files by their final path.
    """
    try:
        _check_name(folder)
        with _parents(folder), part(folder) as aside:
            new = aside / "new"
            new.mkdir(parents=True)
            with _named(new, folder):
                yield new
            _tree_to_disk(new)
            _exchange(new, folder, aside / BEFORE)
            _to_disk(folder.parent)
    except OSError as error:
        raise _unwritten(folder, error) from error
    except RuntimeError as error:  # torch.jit.save's own for a full disk
        if "file" not in str(error) and not _is_torch_s(error):
            raise
        raise _unwritten(folder, error) from error


def remove(path: Path) -> None:
    """Remove a file, if it is there; UserError where the system refuses."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"can't remove {path}: {error.strerror or error}; check the folder's rights") from error


def _check_name(path: Path) -> None:
    if "\0" in str(path):
        raise UserError(f"{str(path)!r} has a NUL character, which no file's name has; check OUTPUT_DIR and LOG_DIR")


@contextmanager
def _parents(folder: Path) -> Iterator[None]:
    """Makes the folders above `folder`; new ones are removed again if the block fails."""
    missing = [above for above in folder.parents if not os.path.lexists(above)]
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        with suppress(OSError):  # somebody else has put a file there
            for above in missing:
                above.rmdir()
        raise


@contextmanager
def _named(new: Path, folder: Path) -> Iterator[None]:
    """Replaces the temporary folder by `folder` in a UserError's text."""
    try:
        yield
    except UserError as error:
        raise UserError(str(error).replace(str(new), str(folder))) from error


def _exchange(new: Path, folder: Path, before: Path) -> None:
    """Renames `new` to `folder`; the old folder moves to `before`, and back if that fails or is interrupted."""
    try:
        if folder.exists():
            os.replace(folder, before)
        os.replace(new, folder)
    except BaseException:
        if before.exists() and not folder.exists():
            os.replace(before, folder)
        raise


def _tree_to_disk(folder: Path) -> None:
    for where, _, files in os.walk(folder, topdown=False):
        for name in files:
            _to_disk(Path(where, name))
        _to_disk(Path(where))


def _to_disk(path: Path) -> None:
    """Wait until the disk has a file or a folder's list; some systems have no such call for folders."""
    is_folder = path.is_dir()
    with suppress(OSError) if is_folder else nullcontext():
        handle = os.open(path, os.O_RDONLY if is_folder or os.name != "nt" else os.O_RDWR)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _is_torch_s(error: Exception) -> bool:
    """Whether torch's writer of archives says that it couldn't write."""
    return "PytorchStreamWriter" in str(error) or "inline_container" in str(error)


def _unwritten(path: Path, error: Exception) -> UserError:
    said = "the disk took only a part" if _is_torch_s(error) else str(error).split("\n")[0]
    reason = getattr(error, "strerror", None) or said
    return UserError(f"can't write {path}: {reason}; check the folder and the free space")
