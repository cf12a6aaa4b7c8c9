"""The state of an interrupted method, in a file that only the same run takes up again."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import torch
from torch import nn

from qat.files import atomic_path


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
    with atomic_path(path) as aside:
        torch.save({"key": key, "content": content}, aside)


def load(path: Path | None, key: str) -> Any:
    """The content that `save` wrote with this `key`; None where the file is missing, damaged or another run's."""
    if path is None:
        return None
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
        return saved["content"] if saved["key"] == key else None
    except Exception:  # torch raises whatever the damaged bytes lead to; then the work starts again
        return None


def finish(path: Path | None) -> None:
    """Remove the state, so that no later run takes it up."""
    if path is not None:
        path.unlink(missing_ok=True)
