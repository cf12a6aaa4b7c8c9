"""Reads the weights of a pickled module without its code and without running it.

YOLOv5's `.pt` files, and torch.save of any module of `models.*`, `utils.*` and torch.nn, hold classes. Here such a
class is an inert record: it takes what the pickle gives it and does nothing. Only tensors, containers and numbers are
made as what they are. A name outside of the lists below ends the reading.
"""

from __future__ import annotations

import codecs
import collections
import pickle
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from qat.errors import UserError, quoted
from qat.torch_private import pickled_names

NETWORKS = ("models", "utils", "torch.nn")  # packages whose classes become records


class Record:
    """An object of a class that isn't imported: its attributes."""

    attributes: dict[str, Any]

    def __new__(cls, *args: Any, **kwargs: Any) -> Record:
        """Made without its arguments too, as pickle does."""
        made = super().__new__(cls)
        made.attributes = {}
        return made

    def __setstate__(self, state: Any) -> None:
        """Keeps the attributes that the pickle gives."""
        self.attributes = dict(state) if isinstance(state, dict) else {}


@dataclass(frozen=True)
class PickledNetwork:
    """What a file says of its network: tensors by name, and a detector's anchors, strides and classes' names.

    `anchors`: (levels, anchors, 2), in units of the strides; `strides`: (levels,).
    """

    tensors: dict[str, Tensor]
    anchors: Tensor | None = None
    strides: Tensor | None = None
    names: tuple[str, ...] = ()


class _Refused(Exception):
    """A name outside of the lists."""


def _latin1(text: str, encoding: str = "latin1") -> bytes:
    """What numpy's scalars call codecs.encode for."""
    if encoding != "latin1":
        raise _Refused(f"_codecs.encode to {encoding}")
    return codecs.encode(text, encoding)


def _numpy_names() -> dict[tuple[str, str], Any]:
    """numpy's scalars and arrays, by the names of numpy 1 and 2."""
    places = ("numpy.core.multiarray", "numpy._core.multiarray")
    functions = np.dtype(int).type(0).__reduce__()[0], np.zeros(0).__reduce__()[0]
    names = ("scalar", "_reconstruct")
    made = {(place, name): call for place in places for name, call in zip(names, functions, strict=True)}
    return {**made, ("numpy", "dtype"): np.dtype, ("numpy", "ndarray"): np.ndarray, ("_codecs", "encode"): _latin1}


NUMPY = _numpy_names()
TENSORS = {
    **NUMPY,
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("builtins", "set"): set,
    ("__builtin__", "set"): set,
    ("torch", "Size"): torch.Size,
    ("torch", "device"): torch.device,
    **pickled_names(),
    **{("torch", name): value for name, value in vars(torch).items() if isinstance(value, torch.dtype)},
    **{("torch", name): value for name, value in vars(torch).items() if name.endswith("Storage")},
}


class _NumpyUnpickler(pickle.Unpickler):
    """Knows numpy's arrays and scalars."""

    known = NUMPY

    def find_class(self, module: str, name: str) -> Any:
        """The object of that name; nothing is imported."""
        if (module, name) in self.known:
            return self.known[module, name]
        return self.unknown(module, name)

    def unknown(self, module: str, name: str) -> Any:
        """A name outside of the list."""
        raise _Refused(f"{module}.{name}")


class _NetworkUnpickler(_NumpyUnpickler):
    """Knows tensors too, and makes records of networks' classes."""

    known = TENSORS

    def unknown(self, module: str, name: str) -> Any:
        """A record's class, or the end."""
        if module.startswith(tuple(f"{package}." for package in NETWORKS)) or module in NETWORKS:
            return type(name, (Record,), {"__module__": f"record of {module}"})
        return super().unknown(module, name)


def _load(file: Any, **options: Any) -> Any:
    return _NetworkUnpickler(file, **options).load()


def read_numpy_pickle(path: Path) -> dict[str, Tensor]:
    """Returns the tensors of a pickled mapping of numpy arrays by name; UserError for anything else."""
    with path.open("rb") as file:
        loaded = _guarded(path, lambda: _NumpyUnpickler(file).load())
    arrays = loaded.items() if isinstance(loaded, dict) else ()
    tensors = {str(name): torch.as_tensor(array) for name, array in arrays if _is_numeric(array)}
    if not tensors:
        raise UserError(f"{path} holds no arrays by name; expected a pickled dict of numpy arrays")
    return tensors


def _is_numeric(value: Any) -> bool:
    return isinstance(value, np.ndarray | np.generic) and np.asarray(value).dtype.kind in "fiub"


def read_pickled(path: Path) -> Any:
    """Returns what torch.save wrote: a network's tensors by name where it pickled one, else what the file holds.

    UserError if it names anything that is no part of a network.
    """
    loaded = _read(path)
    root = _root(loaded)
    return loaded if root is None else dict(_tensors(root, ""))


def read_network(path: Path) -> PickledNetwork:
    """Returns the network that a file pickles; UserError if there is none, or another name.

    Of a training's checkpoint, the averaged network is taken (key ema) where there is one, else its model.
    """
    root = _root(_read(path))
    if root is None:
        raise UserError(f"{path} holds no pickled network (keys ema, model); expected one, such as a detector's .pt")
    detect = next((part for part in _records(root) if _is_vector(part.attributes.get("stride"))), root)
    anchors, strides = dict(_tensors(detect, "")).get("anchors"), detect.attributes.get("stride")
    return PickledNetwork(dict(_tensors(root, "")), anchors, strides, _names(root.attributes.get("names")))


def _read(path: Path) -> Any:
    refuse_torchscript(path)
    reader = SimpleNamespace(Unpickler=_NetworkUnpickler, load=_load, __name__=__name__)
    return _guarded(path, lambda: torch.load(path, map_location="cpu", pickle_module=reader, weights_only=False))


def refuse_torchscript(path: Path) -> None:
    """UserError for a file that torch.load would hand to TorchScript's own loader."""
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        if any(name.rpartition("/")[2] == "constants.pkl" for name in archive.namelist()):
            raise UserError(f"{path} is a TorchScript program; expected weights: save its state dict with torch.save")


def _root(loaded: Any) -> Record | None:
    """The record of the whole network."""
    if isinstance(loaded, dict):
        loaded = next((loaded[key] for key in ("ema", "model") if isinstance(loaded.get(key), Record)), None)
    return loaded if isinstance(loaded, Record) else None


def _guarded(path: Path, read: Any) -> Any:
    try:
        return read()
    except _Refused as error:
        raise UserError(
            f"{path} names {error}, which is no part of a network: nothing of it was run; save a plain state dict"
        ) from error
    except Exception as error:  # whatever the damaged bytes lead to
        line = quoted(str(error).strip().split("\n")[0])
        raise UserError(f"{path} is not a readable pickle ({line or type(error).__name__}); save it again") from error


def _is_vector(value: Any) -> bool:
    return isinstance(value, Tensor) and value.dim() == 1


def _names(value: Any) -> tuple[str, ...]:
    listed = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return tuple(str(name) for name in listed)


def _children(record: Record) -> Iterator[tuple[str, Record]]:
    modules = record.attributes.get("_modules") or {}
    return ((name, part) for name, part in modules.items() if isinstance(part, Record))


def _records(record: Record) -> Iterator[Record]:
    """Parts before wholes."""
    for _, part in _children(record):
        yield from _records(part)
    yield record


def _tensors(record: Record, prefix: str) -> Iterator[tuple[str, Tensor]]:
    """As a module's state dict has them."""
    transient = record.attributes.get("_non_persistent_buffers_set") or ()
    for kind in ("_parameters", "_buffers"):
        for name, value in (record.attributes.get(kind) or {}).items():
            if isinstance(value, Tensor) and name not in transient:
                yield prefix + name, value.detach()
    for name, part in _children(record):
        yield from _tensors(part, f"{prefix}{name}.")
