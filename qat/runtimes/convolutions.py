"""Which convolutions a runtime really executes in int8."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from qat.runtimes.protocol import LayerTime

_CONVOLUTION = re.compile(r"conv(?!ert)", re.IGNORECASE)  # Conv, FusedConv, QLinearConv, ConvInteger, Convolution
_INT8 = ("i8", "u8")


@dataclass(frozen=True)
class Convolutions:
    """How many convolutions ran on int8 inputs, and the names of the others."""

    int8: int
    others: tuple[str, ...]


def executed_convolutions(layers: Iterable[LayerTime]) -> Convolutions:
    """Count the convolutions among the layers that a session's `layers()` saw running.

    >>> executed_convolutions([LayerTime("a", "QLinearConv", "u8", 1.0), LayerTime("b", "Convert", "f32", 0.1)])
    Convolutions(int8=1, others=())
    """
    convolutions = [layer for layer in layers if _CONVOLUTION.search(layer.kind)]
    others = tuple(layer.name for layer in convolutions if layer.precision not in _INT8)
    return Convolutions(len(convolutions) - len(others), others)
