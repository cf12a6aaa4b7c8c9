"""The state of an interrupted method, in a file that only the same run takes up again."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path
from typing import Any

import torch
from torch import nn

from qat.errors import UserError
from qat.files import remove
from qat.state_file import read_state, write_state

_log = logging.getLogger(__name__)


def fingerprint(model: nn.Module, *settings: object) -> str:
    """The hex SHA-256 of what decides a run: a network's state and the settings' text."""
    digest = hashlib.sha256(repr(settings).encode())
    for name, value in model.state_dict().items():
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def save(path: Path | None, key: str, content: Any) -> None:
    """Write `content` (tensors, numbers, text, lists, dicts), whole or not at all; nothing without a path."""
    if path is None:
        return
    write_state(path, {"key": key, "content": content})


def load(path: Path | None, key: str) -> Any:
    """The content that `save` wrote with this `key`; None for a missing, damaged (said) or another run's."""
    if path is None or not path.is_file():
        return None
    try:
        saved = read_state(path, "its work starts again")
    except UserError as error:
        _log.warning("%s", error)
        return None
    return saved["content"] if saved.get("key") == key else None


def finish(path: Path | None) -> None:
    """Remove the state, so that no later run takes it up."""
    if path is not None:
        remove(path)
