"""Files that appear whole or not at all, and their hashes."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from qat.errors import UserError


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Give a path beside `path` to write to; it takes `path`'s name only if the block ends well.

    Raises UserError when the folder or the file can't be written (read-only, full disk).
    """
    path = Path(path)
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield aside
        os.replace(aside, path)
    except (OSError, RuntimeError, SafetensorError) as error:  # torch.save's and safetensors' own for a full disk
        reason = getattr(error, "strerror", None) or str(error).split("\n")[0]
        raise UserError(f"can't write {path}: {reason}; check the folder and the free space") from error
    finally:
        with suppress(OSError):  # a read-only file system refuses even what isn't there
            aside.unlink()


def write_text(path: str | Path, text: str) -> None:
    """Write `text` (UTF-8) whole or not at all."""
    with atomic_path(path) as aside:
        aside.write_text(text, encoding="utf-8")


def write_json(path: str | Path, value: Any) -> None:
    """Write `value` as indented JSON, whole or not at all."""
    write_text(path, json.dumps(value, indent=2) + "\n")


def read_json(path: str | Path) -> Any:
    """Read a JSON file; UserError if it is missing or damaged."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"can't read {path}: {error.strerror or error}") from error
    except ValueError as error:
        raise UserError(f"{path} is not valid JSON ({error}); delete it and rerun the stage that writes it") from error


def sha256(path: str | Path) -> str:
    """Hex SHA-256 of a file's bytes; UserError if it can't be read."""
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError as error:
        raise UserError(f"can't read {path}: {error.strerror or error}; put the file there") from error


def sha256_text(text: str) -> str:
    """Hex SHA-256 of a text's UTF-8 bytes."""
    return hashlib.sha256(text.encode()).hexdigest()


def locate(path: str | Path) -> Path:
    """A relative path as the user means it: from the working directory, else from the project's folder."""
    given = Path(path).expanduser()
    beside_project = Path(__file__).resolve().parent.parent / given
    return beside_project if not given.exists() and beside_project.exists() else given
