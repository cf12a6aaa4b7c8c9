"""The words that a key takes. Most stand in the room that reads them, which is imported when they are asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from typing import Any

_ROWS = {  # words, and `module:NAME` for all words that a table has
    "DATASET.LABELS": ("qat.data.encodings:LABELS",),
    "TRAIN.OPTIMIZER": ("qat.training.optim:OPTIMIZERS",),
    "TRAIN.AMP": ("none", "bf16"),
    "QUANT.TARGET": ("qat.targets:TARGETS",),
    "QUANT.BACKEND": ("auto", "qat.backends.select:BACKENDS"),
    "QUANT.SCHEME": ("qat.backends.spec:SCHEMES",),
    "QUANT.OBSERVER": ("qat.observers.ranges:RANGES", "auto"),
    "QUANT.FROM": ("auto", "qat.stages:CHECKPOINTS"),
    "QUANT.WEIGHT_OBSERVER": ("qat.observers.weights:METHODS",),
    "QUANT.ENGINE": ("auto", "qat.engine:ENGINES"),
    "QAT.SCALES": ("auto", "frozen", "learnt"),
    "QAT.EQUALISE": ("auto", "never"),
    "COMPILE.INPUT": ("qat.compile.onnx.io_spec:ELEMENT",),
    "COMPILE.OUTPUT": ("qat.compile.onnx.writer:NAMES",),
    "COMPILE.RUNTIME": ("qat.runtimes.registry:NAMES",),
    "COMPILE.MARCH": ("qat.backends.horizon.build:MARCHES",),
    "COMPILE.INPUT_SOURCE": ("qat.backends.horizon.build:SOURCES",),
    "COMPILE.OPT": ("qat.backends.horizon.build:OPTS",),
}


class _Choices(Mapping[str, tuple[str, ...]]):
    """Key -> its words."""

    def __getitem__(self, key: str) -> tuple[str, ...]:
        words = ([word] if ":" not in word else _table(word) for word in _ROWS[key])
        return tuple(word for some in words for word in some)

    def __iter__(self) -> Iterator[str]:
        return iter(_ROWS)

    def __len__(self) -> int:
        return len(_ROWS)


CHOICES: Mapping[str, tuple[str, ...]] = _Choices()


def opsets() -> range:
    """The ONNX operator sets that can be written."""
    found: range = _table("qat.compile.onnx.writer:OPSETS")
    return found


def _table(name: str) -> Any:
    module, _, table = name.partition(":")
    found: Iterable[Any] = getattr(import_module(module), table)
    return found
