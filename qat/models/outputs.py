"""Which output of a user's network is the logits, and the facts that one run on a small picture tells."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn

from qat.errors import UserError, close
from qat.models.spec import NetworkSpec
from qat.models.user import UserNetwork, call, short_name

SMALL = (128, 128)  # height and width of the picture


def load_user_network(user: UserNetwork, classes: int, size: tuple[int, int]) -> tuple[nn.Module, NetworkSpec]:
    """Returns the network, which gives its logits alone, and its row.

    `classes`: how many the logits must have. `size`: height and width of a picture that it takes if it takes no small
    one. UserError for a network that gives no such logits.
    """
    network = user.build().eval()
    picture, outputs, smallest = _run(user, network, size)
    key = find_output(user, outputs)
    logits = outputs if key is None else take(outputs, key)
    _check(user, logits, classes)
    if key is not None:
        select(network, key)
    stride = _stride(user, picture, logits)
    spec = NetworkSpec(
        name=short_name(user.name),
        build=lambda count, _: load_user_network(user, count, size)[0],
        stride=stride,
        multiple=_multiple(network, stride),
        smallest_side=smallest,
        loss="cross_entropy",
    )
    return network, spec


def _run(user: UserNetwork, network: nn.Module, size: tuple[int, int]) -> tuple[Tensor, Any, int]:
    """Returns a picture, the network's outputs, and the side of a picture whose deepest map has one value."""
    try:
        return _outputs(user, network, SMALL)
    except UserError:
        return _outputs(user, network, size)


def _outputs(user: UserNetwork, network: nn.Module, size: tuple[int, int]) -> tuple[Tensor, Any, int]:
    heights: list[int] = []

    def note(_: nn.Module, __: Any, output: Any) -> None:
        if isinstance(output, Tensor) and output.dim() == 4 and 1 < output.shape[2] <= size[0]:
            heights.append(output.shape[2])

    hooks = [module.register_forward_hook(note) for module in network.modules()]
    picture = torch.zeros(1, 3, *size)
    doing = f"MODEL.NAME {user.name}: calling forward with a picture (1, 3, {size[0]}, {size[1]})"
    try:
        with torch.no_grad():
            outputs = call(doing, lambda: network(picture))
        return picture, outputs, size[0] // min(heights, default=size[0])
    finally:
        for hook in hooks:
            hook.remove()


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


def _named(user: UserNetwork, outputs: Any) -> int | str:
    key = user.output
    assert key is not None  # its caller looked
    try:
        chosen = take(outputs, key)
    except (LookupError, AttributeError, TypeError):
        chosen = None
    if not isinstance(chosen, Tensor):
        near = close(str(key), map(str, parts_of(outputs)))
        advice = near and f"; did you mean {near}?"
        raise UserError(f"MODEL.OUTPUT {key!r} is no tensor of {user.name}, which gives {_listed(outputs)}{advice}")
    return key


def _listed(outputs: Any) -> str:
    rows = (f"{key}: {_shape(value)}" for key, value in parts_of(outputs).items())
    return ", ".join(rows) or f"a {type(outputs).__name__} without tensors"


def _shape(value: Any) -> str:
    return str(tuple(value.shape)) if isinstance(value, Tensor) else type(value).__name__


def _check(user: UserNetwork, logits: Tensor, classes: int) -> None:
    if logits.dim() != 4:
        raise UserError(f"MODEL.NAME {user.name} gives {_shape(logits)}; expected logits (N, classes, height, width)")
    if logits.shape[1] != classes:
        raise UserError(
            f"MODEL.NAME {user.name} gives logits of {logits.shape[1]} classes and DATASET.NUM_CLASSES is {classes}; "
            f"give its function the number by MODEL.KWARGS, choose another MODEL.OUTPUT or another data set"
        )


def _stride(user: UserNetwork, picture: Tensor, logits: Tensor) -> int:
    """The picture's sides over the logits'."""
    (height, width), (rows, columns) = picture.shape[2:], logits.shape[2:]
    stride = max(height // rows, 1) if rows else 1
    if (rows * stride, columns * stride) != (height, width):
        raise UserError(
            f"MODEL.NAME {user.name} gives logits {columns}x{rows} of a picture {width}x{height}; expected "
            "the picture's sides over a whole number: pad its convolutions"
        )
    return stride


def _multiple(network: nn.Module, stride: int) -> int:
    """What a picture's sides are multiples of: the least of stride, twice the stride and so on that the network takes.

    Each is tried on a picture whose sides are an odd multiple of it. Where none is taken, the stride.
    """
    multiple = stride
    while multiple < SMALL[0]:
        side = multiple * (SMALL[0] // multiple | 1)
        if _takes(network, side, stride):
            return multiple
        multiple *= 2
    return stride


def _takes(network: nn.Module, side: int, stride: int) -> bool:
    try:
        with torch.no_grad():
            logits = network(torch.zeros(1, 3, side, side))
    except Exception:  # whatever the user's code raises
        return False
    return tuple(logits.shape[2:]) == (side // stride, side // stride)


def select(network: nn.Module, key: int | str) -> None:
    """Makes `network` give one of its outputs; its modules, parameters and name stay as they are."""
    if isinstance(network, fx.GraphModule):
        output = next(iter(network.graph.find_nodes(op="output")))
        output.args = (take(output.args[0], key),)
        network.recompile()
        return
    kind: Any = type(network)

    @functools.wraps(kind.forward)
    def forward(self: nn.Module, *args: Any, **kwargs: Any) -> Any:
        outputs = kind.forward(self, *args, **kwargs)
        return outputs if isinstance(outputs, Tensor) else take(outputs, key)

    members = {"forward": forward, "__module__": kind.__module__, "__doc__": kind.__doc__}
    network.__class__ = type(kind.__name__, (kind,), members)
