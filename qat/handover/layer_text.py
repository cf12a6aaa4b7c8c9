"""A layer of torch.nn as the line that makes one like it."""

from __future__ import annotations

import inspect
from typing import Any

from torch import nn

from qat.errors import UserError

_WITHOUT = ("self", "device", "dtype")
_SPREAD = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
_PAIRS = ("kernel_size", "stride", "padding", "output_padding", "dilation")


def layer_text(layer: nn.Module, name: str) -> str:
    """The constructor's call, with what differs from torch's defaults; UserError for a layer that isn't torch.nn's.

    >>> layer_text(nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False), "stem")
    'nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False)'
    """
    kind = type(layer)
    if not kind.__module__.startswith("torch.nn.modules.") or getattr(nn, kind.__name__, None) is not kind:
        raise UserError(f"{name} is a {kind.__module__}.{kind.__name__}, and a bundle holds layers of torch.nn only")
    given = []
    for parameter in inspect.signature(kind.__init__).parameters.values():
        if parameter.name in _WITHOUT or parameter.kind in _SPREAD:
            continue
        value = _value(layer, parameter, name)
        if parameter.default is inspect.Parameter.empty:
            given.append(repr(value))
        elif value != parameter.default or type(value) is not type(parameter.default):
            given.append(f"{parameter.name}={value!r}")
    return f"nn.{kind.__name__}({', '.join(given)})"


def _value(layer: nn.Module, parameter: inspect.Parameter, name: str) -> Any:
    if parameter.name == "bias":
        return getattr(layer, "bias", None) is not None
    value = getattr(layer, parameter.name, parameter.default)
    if value is inspect.Parameter.empty:
        raise UserError(f"{name} is a {type(layer).__name__}, which doesn't say its {parameter.name}; report this")
    value = tuple(value) if isinstance(value, list | tuple) else value
    one = isinstance(value, tuple) and len(set(value)) == 1 and parameter.name in _PAIRS
    return value[0] if one else value
