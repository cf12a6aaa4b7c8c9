"""Files of tensors by name: what a suffix means, read and written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from qat.errors import UserError, quoted
from qat.files import atomic_path
from qat.models.pickled import read_numpy_pickle, read_pickled, refuse_torchscript
from qat.state_file import check_growth, load_tensors

PACKED = 100  # times its own size that an .npz may unpack to: numpy can pack it
WRITTEN = (".safetensors", ".npz")


def read_file(path: Path) -> Any:
    """Returns what a checkpoint file holds: tensors by name, or a training's mapping around them.

    `.safetensors`; `.npz`; `.pkl`, a pickled mapping of numpy arrays; anything else is torch's, read as weights only,
    or as the records of a pickled module (`qat.models.pickled`). UserError for a damaged or unsafe file.
    """
    try:
        return READERS.get(path.suffix.lower(), _read_torch)(path)
    except UserError:
        raise
    except Exception as error:  # archives, numpy, safetensors and torch each have their own
        line = quoted(str(error).strip().split("\n")[0]) or type(error).__name__
        raise UserError(f"{path} is not a readable checkpoint ({line}); download or train it again") from error


def _read_npz(path: Path) -> dict[str, Tensor]:
    check_growth(path, PACKED)
    with np.load(path, allow_pickle=False) as arrays:
        return {name: torch.from_numpy(arrays[name]) for name in arrays.files}


def _read_torch(path: Path) -> Any:
    refuse_torchscript(path)
    try:
        return load_tensors(path)
    except UserError:
        raise
    except Exception:  # classes, numpy's scalars, or whatever damaged bytes lead to
        return read_pickled(path)


READERS: dict[str, Callable[[Path], Any]] = {".safetensors": load_file, ".npz": _read_npz, ".pkl": read_numpy_pickle}
"""By suffix; other files are torch's."""


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Writes tensors by name, whole or not at all, as `.safetensors` or `.npz`, which numpy alone reads.

    numpy has no bfloat16: an `.npz` holds float32 instead. UserError for another suffix.
    """
    check_suffix(path)
    plain = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    with atomic_path(path) as aside:
        if path.suffix == ".safetensors":
            save_file(plain, aside)
            return
        arrays: dict[str, Any] = {name: _widened(value).numpy() for name, value in plain.items()}
        with aside.open("wb") as file:
            np.savez(file, **arrays)


def check_suffix(path: Path) -> None:
    """UserError for a suffix that `write_tensors` doesn't know."""
    if path.suffix not in WRITTEN:
        raise UserError(f"{path} ends with {path.suffix or 'no suffix'}; expected {' or '.join(WRITTEN)}")


def _widened(value: Tensor) -> Tensor:
    return value.float() if value.dtype == torch.bfloat16 else value
