"""Which of a user's network's outputs is the logits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, fx, nn

from qat.errors import UserError, close
from qat.models.forms import change_output
from qat.models.user import UserNetwork

LIKELY = ("out", "logits", "seg", "pred", "output")  # what networks call their logits


def parts_of(outputs: Any) -> dict[int | str, Any]:
    """A network's outputs by index, key or attribute's name.

    >>> list(parts_of({"out": 1, "aux": 2})), list(parts_of([1, 2]))
    (['out', 'aux'], [0, 1])
    """
    if isinstance(outputs, Mapping):
        return dict(outputs)
    if isinstance(outputs, Sequence):
        return dict(enumerate(outputs))
    return dict(getattr(outputs, "__dict__", {}))


def take(outputs: Any, key: int | str) -> Any:
    """Returns the output that `key` names; a KeyError, IndexError or AttributeError if there is none.

    >>> take({"out": 1, "aux": 2}, 1), take({"out": 1, "aux": 2}, "out")
    (2, 1)
    """
    if isinstance(key, int) and isinstance(outputs, Mapping) and key not in outputs:
        named = outputs.get(str(key))  # an ONNX file's output may be called 38
        return list(outputs.values())[key] if named is None else named
    if isinstance(key, str) and not isinstance(outputs, Mapping):
        return getattr(outputs, key)
    return outputs[key]


def find_output(user: UserNetwork, outputs: Any) -> int | str | None:
    """Returns the index, key or name of the logits; None if the network gives them alone. UserError if it is unclear.

    >>> import torch
    >>> find_output(UserNetwork("net.py:build"), [torch.zeros(1)])
    0
    """
    if isinstance(outputs, Tensor):
        if user.output is not None:
            raise UserError(f"MODEL.OUTPUT is {user.output!r} and {user.name} gives one tensor; leave it out")
        return None
    if user.output is not None:
        return _named(user, outputs)
    tensors = [key for key, value in parts_of(outputs).items() if isinstance(value, Tensor)]
    if len(tensors) != 1:
        raise UserError(f"MODEL.NAME {user.name} gives {_listed(outputs)}; set MODEL.OUTPUT to that of the logits")
    return tensors[0]


def likely_output(outputs: Any, classes: int | None) -> int | str | None:
    """A guess at the index, key or name of the logits: the first map of `classes` channels.

    `classes`: None for any number, of which the first of the largest maps is taken. None is returned where the network
    gives one tensor, or no map.

    >>> import torch
    >>> likely_output([torch.zeros(1, 5, 2, 2), torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 4, 4)], 3)
    1
    """
    maps = {
        key: value
        for key, value in parts_of(outputs).items()
        if isinstance(value, Tensor) and value.dim() == 4 and classes in (None, value.shape[1])
    }
    if isinstance(outputs, Tensor) or not maps:
        return None
    named = next((key for key in LIKELY if key in maps), None)
    if named is not None or classes is not None:
        return next(iter(maps)) if named is None else named
    return max(maps, key=lambda key: maps[key].shape[2:].numel())


def heads(outputs: Any, key: int | str | None, classes: int) -> list[Tensor]:
    """The logits, and the outputs of auxiliary heads, whose maps have `classes` channels too.

    `key`: of the logits in eval mode; in training mode a network may give more outputs, of which they are the first.

    >>> import torch
    >>> [len(one) for one in heads((torch.zeros(2, 3, 4, 4), torch.zeros(2, 3, 2, 2), torch.zeros(2, 1, 4, 4)), 0, 3)]
    [2, 2]
    """
    if isinstance(outputs, Tensor):
        return [outputs]
    found = parts_of(outputs)
    main = key if key in found or (isinstance(key, int) and -len(found) <= key < 0) else likely_output(outputs, classes)
    if main is None:
        raise UserError(f"the network gives no map of {classes} classes in training mode, but {_listed(outputs)}")
    logits: Tensor = take(outputs, main)
    maps = [part for part in found.values() if isinstance(part, Tensor) and part.dim() == 4 and part is not logits]
    return [logits, *(part for part in maps if part.shape[1] == classes)]


def _named(user: UserNetwork, outputs: Any) -> int | str:
    key = user.output
    assert key is not None  # its caller looked
    try:
        chosen = take(outputs, key)
    except (LookupError, AttributeError, TypeError):
        chosen = None
    if not isinstance(chosen, Tensor):
        near = close(str(key), map(str, parts_of(outputs)))
        advice = "" if near in ("", str(key)) else f"; did you mean {near}?"
        raise UserError(f"MODEL.OUTPUT {key!r} is no tensor of {user.name}, which gives {_listed(outputs)}{advice}")
    return key


def _listed(outputs: Any) -> str:
    rows = (f"{key}: {shown(value)}" for key, value in parts_of(outputs).items())
    return ", ".join(rows) or f"a {type(outputs).__name__} without tensors"


def shown(value: Any) -> str:
    """A tensor's shape, as messages show it.

    >>> shown([])
    'list'
    """
    return str(tuple(value.shape)) if isinstance(value, Tensor) else type(value).__name__


def select(network: nn.Module, key: int | str) -> None:
    """Makes `network` give one of its outputs; its modules, parameters and name stay as they are."""
    if isinstance(network, fx.GraphModule):
        output = next(iter(network.graph.find_nodes(op="output")))
        output.args = (take(output.args[0], key),)
        network.recompile()
        return
    change_output(network, lambda outputs: outputs if isinstance(outputs, Tensor) else take(outputs, key))
