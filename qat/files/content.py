"""Text, JSON and hashes of files."""

from __future__ import annotations

import hashlib
import json
import time
from functools import lru_cache
from pathlib import Path
from typing import Any

from qat.errors import UserError
from qat.files.replacement import atomic_path

_BLOCK = 1 << 20  # bytes that are hashed at a time
_SETTLED = 2.0  # seconds after which a change has another time


def write_text(path: str | Path, text: str) -> None:
    """Write `text` (UTF-8) whole or not at all."""
    with atomic_path(path) as aside:
        aside.write_text(text, encoding="utf-8")


def text_of(path: str | Path) -> str | None:
    """Returns a file's text; None where it can't be read as such."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def write_json(path: str | Path, value: Any) -> None:
    """Write `value` as indented JSON, whole or not at all."""
    write_text(path, json_text(value))


def json_text(value: Any) -> str:
    """Returns the text of a JSON file."""
    return json.dumps(value, indent=2) + "\n"


def read_json(path: str | Path) -> Any:
    """Read a JSON file; UserError if it is missing or damaged."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"can't read {path}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not valid JSON ({error}); delete it and rerun the stage that writes it") from error


def sha256(path: str | Path) -> str:
    """Hex SHA-256 of a file's bytes, read block by block; UserError if it can't be read."""
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
    except OSError as error:
        raise UserError(f"can't read {path}: {error.strerror or error}; put the file there") from error
    return digest.hexdigest()


def known_sha256(path: str | Path) -> str:
    """As `sha256`; a file that hasn't changed since it was asked for isn't read again."""
    path = Path(path)
    try:
        seen = path.stat()
    except OSError:
        return sha256(path)  # says it
    if time.time() - seen.st_mtime < _SETTLED:  # it may change again without another time
        return sha256(path)
    return _known(str(path.absolute()), (seen.st_mtime_ns, seen.st_size, seen.st_ino))


@lru_cache(maxsize=1 << 16)
def _known(path: str, seen: tuple[int, ...]) -> str:  # a text takes a fifth of a Path's memory
    return sha256(path)


def sha256_text(text: str) -> str:
    """Hex SHA-256 of a text's UTF-8 bytes."""
    return hashlib.sha256(text.encode()).hexdigest()
