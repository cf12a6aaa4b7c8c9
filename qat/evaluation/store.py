"""The float stage's logits on disk, so that a later stage is compared with float without running float again."""

from __future__ import annotations

import hashlib
import io
import logging
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qat.errors import UserError, as_user_error
from qat.evaluation.outputs import Outputs, several
from qat.files import atomic_path, read_json, remove, short_name, write_json
from qat.invocation import command

_UNKNOWN: Mapping[str, str] = {}
_log = logging.getLogger(__name__)


class LogitStore:
    """A folder with a file of float32 outputs per image, .npy or .npz by content, and an index when all are there.

    `key` says what made the logits (hashes of weights, config and preprocessing), `pictures` the digest of each image's
    file, by name; others' logits are refused. The index has those, and the digest of each file of logits; an older
    version's index has neither.
    """

    def __init__(self, folder: str | Path, key: str, pictures: Mapping[str, str] = _UNKNOWN) -> None:
        self.folder, self.key, self.pictures = Path(folder), key, pictures
        self._written: dict[str, str] = {}

    def write(self, names: Sequence[str], outputs: Outputs) -> None:
        """Store a batch's outputs (N, ...); `evaluate`'s `record`. The folder counts once `finish` is called."""
        if not self._written:
            remove(self._index)
        arrays = [one.detach().float().cpu().numpy() for one in several(outputs)]
        for index, name in enumerate(names):
            content = io.BytesIO()
            parts = [np.ascontiguousarray(array[index]) for array in arrays]
            np.save(content, parts[0]) if len(parts) == 1 else np.savez(content, *parts)
            with atomic_path(self._path(name), durable=False) as aside:  # the digest finds what the disk lost
                aside.write_bytes(content.getbuffer())
            self._written[name] = hashlib.sha256(content.getbuffer()).hexdigest()

    @property
    def written(self) -> dict[str, str]:
        """The digest of each image's file that was written since this object was made."""
        return self._written

    def finish(self) -> None:
        """Write the index of everything written; what other processes wrote was added to `written`."""
        names, digests = list(self._written), list(self._written.values())
        pictures = [self.pictures.get(name, "") for name in names]
        write_json(self._index, {"key": self.key, "names": names, "sha256": digests, "pictures": pictures})

    def holds(self, names: Sequence[str]) -> bool:
        """Whether a finished recording with this key, of these pictures, has all of these images."""
        if not self._index.is_file():
            return False
        index = self._read_index()
        return not self._difference(index, names) and set(names) <= set(index["names"])

    def read(self, names: Sequence[str], inputs: Tensor | None = None) -> Outputs:
        """The outputs (N, ...) of these images; `evaluate`'s `reference` (`inputs` isn't needed).

        Raises UserError for logits that aren't there, are damaged, or were made by something else than `key`.
        """
        for name in names:
            if name not in self._digests:
                raise UserError(f"no float logits of {name} in {self.folder}; {_again()}")
        if difference := self._difference(self._content, names):
            raise UserError(f"the float logits in {self.folder} come from other {difference}; {_again()}")
        pictures = [self._load(self._path(name), self._digests[name]) for name in names]
        outputs = tuple(torch.from_numpy(np.stack(parts)) for parts in zip(*pictures, strict=True))
        return outputs[0] if len(outputs) == 1 else outputs

    @cached_property
    def _digests(self) -> Mapping[str, str]:
        """By image; "" in an older version's recording."""
        index = self._content
        if "sha256" not in index:
            _log.info("%s has no digests, an older version wrote it: damage to it wouldn't be seen", self.folder)
        return dict(zip(index["names"], index.get("sha256", [""] * len(index["names"])), strict=True))

    @cached_property
    def _content(self) -> Mapping[str, Any]:
        """The index of a recording with this key."""
        if not self._index.is_file():
            raise UserError(f"no finished recording of float logits in {self.folder}; {_again()}")
        index = self._read_index()
        if difference := self._difference(index, ()):
            raise UserError(f"the float logits in {self.folder} come from other {difference}; {_again()}")
        return index

    def _difference(self, index: Mapping[str, Any], names: Sequence[str]) -> str:
        """What the recording of these images was made from that is another now; "" for nothing."""
        if index["key"] != self.key:
            return "weights, config or images"
        before = dict(zip(index["names"], index.get("pictures", ()), strict=False))
        both_say = (name for name in names if before.get(name) and name in self.pictures)
        changed = next((name for name in both_say if before[name] != self.pictures[name]), None)
        return "" if changed is None else f"pictures under the same names, first {changed}"

    def _read_index(self) -> Mapping[str, Any]:
        index: Any = read_json(self._index)
        if not _is_index(index):
            raise UserError(f"{self._index} is no index of float logits; {_again()}")
        return dict(index)

    @property
    def _index(self) -> Path:
        return self.folder / "index.json"

    def _path(self, name: str) -> Path:
        return self.folder / f"{short_name(quote(name, safe=''))}.npy"

    def _load(self, path: Path, digest: str) -> list[NDArray[np.float32]]:
        try:
            content = path.read_bytes()
        except OSError as error:
            raise UserError(f"can't read {path}: {error.strerror or error}; {_again()}") from error
        if digest and hashlib.sha256(content).hexdigest() != digest:
            raise UserError(f"{path} is damaged (its content isn't what was written); {_again()}")
        with as_user_error(f"can't read {path}", _again()):  # an older version's
            found = np.load(io.BytesIO(content), allow_pickle=False)
            return [found] if isinstance(found, np.ndarray) else [found[name] for name in found.files]


def _is_index(content: Any) -> bool:
    """Whether it has what `finish` wrote, or an older version: lists of texts, one a picture."""
    if not isinstance(content, dict) or not {"key", "names"} <= content.keys():
        return False
    lists = [content[name] for name in ("names", "sha256", "pictures") if name in content]
    texts = all(isinstance(one, list) and all(isinstance(part, str) for part in one) for one in lists)
    return texts and len({len(one) for one in lists}) == 1


def _again() -> str:
    return f"evaluate the float stage again ({command('eval', stage='float')})"
