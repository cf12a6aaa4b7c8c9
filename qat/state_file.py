"""A state on disk: tensors, numbers and text with the digest of them all, which is verified when they are read."""

from __future__ import annotations

import hashlib
import logging
import zipfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from qat.errors import UserError
from qat.files import atomic_path

DIGEST = "digest"  # the entry that holds it
_DIGITS = 64  # of a digest
_GROWTH = 4  # times its own size that a file of torch's may unpack to; torch packs nothing
_SMALL = 1 << 24  # bytes to which any file may unpack
_log = logging.getLogger(__name__)


def write_state(path: str | Path, content: Mapping[str, Any]) -> None:
    """Write `content` (tensors, numbers, text, lists, dicts) with its digest, whole or not at all.

    The same content gives the same bytes. Raises UserError where the file can't be written.
    """
    with atomic_path(path) as aside, open(aside, "wb") as file:  # by its name the file would hold that of the part
        torch.save({**content, DIGEST: digest(content)}, file)


def read_state(path: str | Path, again: str) -> dict[str, Any]:
    """Returns what `write_state` wrote; `again`: what to do about a damaged file, for the end of the message.

    A file of an older version, which has no digest, is read too, and a line says so. Raises UserError where the file
    can't be read or isn't what was written.
    """
    try:
        content = load_tensors(path)
        content = dict(content)
    except UserError:
        raise
    except Exception as error:  # torch raises whatever the damaged bytes lead to
        raise UserError(f"{path} is damaged ({type(error).__name__}); {again}") from error
    written = content.pop(DIGEST, None)
    if written is None and not _is_misnamed(content):
        _say_unproven(str(path))
    elif written != digest(content):
        raise UserError(f"{path} is damaged (its content isn't what was written); {again}")
    return content


def _is_misnamed(content: Mapping[str, Any]) -> bool:
    """Whether a digest of the rest stands under another name: damage to the name makes no older file of a newer one."""
    texts = [name for name, value in content.items() if isinstance(value, str) and len(value) == _DIGITS]
    return any(content[one] == digest({name: content[name] for name in content if name != one}) for one in texts)


@cache
def _say_unproven(path: str) -> None:
    _log.info("%s has no digest, an older version wrote it: damage to it wouldn't be seen", path)


def load_tensors(path: str | Path) -> Any:
    """Returns torch.load's weights only, on the CPU.

    Raises UserError for a file that unpacks to much more than its size, else what torch raises for damage.
    """
    check_growth(Path(path))
    return torch.load(path, map_location="cpu", weights_only=True)


def check_growth(path: Path, growth: int = _GROWTH) -> None:
    """Raises UserError for an archive that would unpack to more than `growth` times its size."""
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        unpacked = sum(entry.file_size for entry in archive.infolist())
    size = path.stat().st_size
    if unpacked > max(growth * size, _SMALL):
        raise UserError(
            f"{path} has {size / 1e6:.1f} MB and would unpack to {unpacked / 1e6:.0f} MB, which no such file does; "
            "it isn't read: get it from somebody you trust"
        )


def digest(content: Any) -> str:
    """Hex SHA-256 of tensors (type, shape, bytes), numbers and text in dicts, lists and tuples, in their order."""
    found = hashlib.sha256()
    _feed(found, content)
    return found.hexdigest()


def _feed(found: Any, value: Any) -> None:
    if isinstance(value, Tensor):
        # with strides of its own: a damaged file may give one value a stride of 0
        plain = value.detach().cpu().flatten().clone(memory_format=torch.contiguous_format)
        found.update(f"{value.dtype} {tuple(value.shape)} ".encode())
        found.update(plain.view(torch.uint8).numpy().tobytes() if plain.numel() else b"")
    elif isinstance(value, Mapping):
        found.update(f"{len(value)} names ".encode())
        for name, part in value.items():
            found.update(f"{name!r} ".encode())
            _feed(found, part)
    elif isinstance(value, list | tuple):
        found.update(f"{type(value).__name__} of {len(value)} ".encode())
        for part in value:
            _feed(found, part)
    else:
        found.update(f"{type(value).__name__} {value!r} ".encode())
