"""The float stage's logits on disk, so that a later stage is compared with float without running float again."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qat.errors import UserError
from qat.files import atomic_path, read_json, write_json
from qat.invocation import command


class LogitStore:
    """A folder with one float32 (C, h, w) .npy file per image, and an index that appears when all are there.

    `key` says what made the logits (hashes of weights, config and preprocessing); another key's logits are refused.
    """

    def __init__(self, folder: str | Path, key: str) -> None:
        self.folder, self.key = Path(folder), key
        self._written: list[str] = []

    def write(self, names: Sequence[str], logits: Tensor) -> None:
        """Store a batch's logits (N, C, h, w); `evaluate`'s `record`. The folder counts once `finish` is called."""
        if not self._written:
            self._index.unlink(missing_ok=True)
        for name, one in zip(names, logits.detach().float().cpu().numpy(), strict=True):
            with atomic_path(self._path(name)) as aside, open(aside, "wb") as file:
                np.save(file, np.ascontiguousarray(one))
            self._written.append(name)

    def finish(self) -> None:
        """Write the index of everything written."""
        write_json(self._index, {"key": self.key, "names": self._written})

    def holds(self, names: Sequence[str]) -> bool:
        """Whether a finished recording with this key has all of these images."""
        if not self._index.is_file():
            return False
        index = read_json(self._index)
        return index["key"] == self.key and set(names) <= set(index["names"])

    def read(self, names: Sequence[str], inputs: Tensor | None = None) -> Tensor:
        """The logits (N, C, h, w) of these images; `evaluate`'s `reference` (`inputs` isn't needed).

        Raises UserError for logits that aren't there, are damaged, or were made by something else than `key`.
        """
        for name in names:
            if name not in self._names:
                raise UserError(f"no float logits of {name} in {self.folder}; {_again()}")
        return torch.from_numpy(np.stack([self._load(self._path(name)) for name in names]))

    @cached_property
    def _names(self) -> frozenset[str]:
        if not self._index.is_file():
            raise UserError(f"no finished recording of float logits in {self.folder}; {_again()}")
        index = read_json(self._index)
        if index["key"] != self.key:
            raise UserError(f"the float logits in {self.folder} come from other weights, config or images; {_again()}")
        return frozenset(index["names"])

    @property
    def _index(self) -> Path:
        return self.folder / "index.json"

    def _path(self, name: str) -> Path:
        return self.folder / f"{quote(name, safe='')}.npy"

    def _load(self, path: Path) -> NDArray[np.float32]:
        try:
            logits: NDArray[np.float32] = np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise UserError(f"can't read {path}: {error}; {_again()}") from error
        return logits


def _again() -> str:
    return f"evaluate the float stage again ({command('eval', stage='float')})"
