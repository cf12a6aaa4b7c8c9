"""The forms of a network: with its auxiliary heads, without them, or with the classes in the place of the logits."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from qat.errors import UserError, nearest

TRAIN, EVAL, PRED = "train", "eval", "pred"
AUX_MODES = (TRAIN, EVAL, PRED)


def check_aux_mode(aux_mode: str) -> None:
    """UserError for a word that names no form.

    >>> check_aux_mode("evaluate")
    Traceback (most recent call last):
    qat.errors.UserError: unknown aux_mode evaluate; did you mean eval?
    """
    if aux_mode not in AUX_MODES:
        raise UserError(f"unknown aux_mode {aux_mode}; {nearest(str(aux_mode), AUX_MODES)}")


def classes_of(logits: Tensor) -> Tensor:
    """Logits (N, C, ...) -> the class of each place, int32 (N, ...)."""
    return logits.argmax(1).int()


def change_output(network: nn.Module, change: Callable[[Any], Any]) -> None:
    """Makes `network` give what `change` makes of its outputs; its modules, parameters and name stay as they are."""
    kind: Any = type(network)

    @functools.wraps(kind.forward)
    def forward(self: nn.Module, *args: Any, **kwargs: Any) -> Any:
        return change(kind.forward(self, *args, **kwargs))

    members = {"forward": forward, "__module__": kind.__module__, "__doc__": kind.__doc__}
    network.__class__ = type(kind.__name__, (kind,), members)
