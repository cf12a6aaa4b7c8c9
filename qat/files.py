"""Files and folders that appear whole or not at all, hashes, and the content of JSON and YAML files."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from safetensors import SafetensorError

from qat.errors import UserError

_MOST_NODES = 10_000  # of a YAML file; the longest config has 200


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yields a path beside `path` to write to; it is renamed to `path` only if the block succeeds.

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


def read_yaml(path: str | Path, example: str) -> dict[Any, Any]:
    """Read a YAML file that holds a mapping; `example`: a mapping for the error's text.

    Raises UserError if the file can't be read, isn't YAML, isn't a mapping, or grows too large (aliases of aliases,
    deep nesting).
    """
    try:
        tree = copy.deepcopy(_parsed(Path(path).read_text(encoding="utf-8")))
    except OSError as error:
        raise UserError(f"can't read {path}: {error.strerror or error}") from error
    except _Growth as error:
        raise UserError(f"{path} grows beyond {_MOST_NODES} values by its aliases; write the values out") from error
    except _Doubled as error:
        raise UserError(f"{path} has the key {error}; keep one of them") from error
    except RecursionError as error:
        raise UserError(f"{path} is nested too deep; expected a mapping such as {example}") from error
    except (yaml.YAMLError, ValueError) as error:
        raise UserError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(tree, dict):
        raise UserError(f"{path} holds no keys; expected a YAML mapping such as {example}")
    return tree


class _Growth(Exception):
    """The aliases, written out, make more than _MOST_NODES values, or one contains itself."""


@lru_cache(maxsize=32)  # a run asks for its config and its descriptor again and again
def _parsed(text: str) -> Any:
    loader = yaml.SafeLoader(text)
    try:
        root = loader.get_single_node()
        if root is None:
            return None
        if _written_out(root, {}) > _MOST_NODES:
            raise _Growth
        _check_keys(root)
        return loader.construct_document(root)
    finally:
        loader.dispose()


def _written_out(node: yaml.Node, sizes: dict[int, float]) -> float:
    """Returns the number of nodes with every alias replaced; infinite if one contains itself."""
    if id(node) not in sizes:
        sizes[id(node)] = float("inf")  # until it is known: only a node inside this one asks before
        value = node.value if isinstance(node, yaml.CollectionNode) else []
        below = [part for item in value for part in (item if isinstance(item, tuple) else (item,))]
        sizes[id(node)] = 1 + sum(_written_out(part, sizes) for part in below)
    return sizes[id(node)]


class _Doubled(Exception):
    """A key that a mapping has twice, of which YAML would silently take the later."""


def _check_keys(node: yaml.Node) -> None:
    """Raises _Doubled for the first key that a mapping has twice."""
    lines: dict[str, int] = {}
    for part in node.value if isinstance(node, yaml.CollectionNode) else ():
        key, value = part if isinstance(part, tuple) else (None, part)
        if isinstance(key, yaml.ScalarNode):
            line = key.start_mark.line + 1
            if key.value in lines:
                raise _Doubled(f"{key.value} twice, in lines {lines[key.value]} and {line}")
            lines[key.value] = line
        _check_keys(value)


@contextmanager
def replaced_folder(folder: Path) -> Iterator[Path]:
    """Yields a new folder beside `folder` to fill; it replaces `folder` only if the block succeeds.

    Otherwise `folder` stays as it was. Raises UserError if the disk is full or can't be written; a UserError of the
    block names files by their final path.
    """
    try:
        with _parents(folder), tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as aside:
            new = Path(aside, "new")
            new.mkdir()
            with _named(new, folder):
                yield new
            _exchange(new, folder, Path(aside, "before"))
    except OSError as error:
        raise _unwritten(folder, error.strerror or str(error)) from error
    except RuntimeError as error:  # torch.jit.save's own for a full disk
        if "file" not in str(error) and "PytorchStreamWriter" not in str(error):
            raise
        raise _unwritten(folder, str(error)) from error


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
    """Renames `new` to `folder`; the old folder moves to `before`, and back if that fails."""
    if folder.exists():
        os.replace(folder, before)
    try:
        os.replace(new, folder)
    except OSError:
        with suppress(OSError):  # there was nothing before
            os.replace(before, folder)
        raise


def _unwritten(folder: Path, reason: str) -> UserError:
    first = reason.split("\n")[0]
    return UserError(f"can't write {folder}: {first}; check the folder and the free space")
