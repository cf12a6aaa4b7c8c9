"""A user's network, run once on a small picture: its logits, and the facts that a registered network's row states."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from math import gcd
from typing import Any

import torch
from torch import Tensor, nn

from qat.errors import UserError
from qat.models.forms import change_output
from qat.models.outputs import find_output, heads, likely_output, parts_of, select, shown, take
from qat.models.own_tasks import OWN_TASKS
from qat.models.spec import NetworkSpec
from qat.models.user import UserNetwork, call, short_name

SMALL = (128, 128)  # height and width of the picture
OTHER = (336, 336)  # of one for networks whose patches or windows are 3 or 7 times a power of two: 12, 14, 24, 28, 56


def load_user_network(
    user: UserNetwork, classes: int, size: tuple[int, int], channels: int = 3, aux: bool = False
) -> tuple[nn.Module, NetworkSpec]:
    """Returns the network, which gives its logits alone, and its row.

    `aux`: the train form, which gives the logits and what auxiliary heads there are: its other maps of `classes`.

    `classes`: how many the logits must have. `size`: height and width of a picture that it takes if it takes no small
    one. `channels`: of the picture. UserError for a network that gives no such logits.
    """
    network = user.build().eval()
    picture, outputs, smallest = _run(user, network, size, channels)
    key = find_output(user, outputs)
    logits = outputs if key is None else take(outputs, key)
    _check(user, logits, classes)
    if key is not None:
        select(network, key)
    is_map = OWN_TASKS[user.task].axes == len(picture.shape)
    stride = _stride(user, picture, logits) if is_map else smallest
    spec = NetworkSpec(
        name=short_name(user.name),
        build=lambda count, train: load_user_network(user, count, size, channels, train)[0],
        stride=stride,
        multiple=_multiple(network, stride, channels) if is_map else stride,
        smallest_side=smallest,
        task=user.task,
        loss=OWN_TASKS[user.task].loss,
    )
    if aux:
        network = user.build()
        change_output(network, lambda outputs: heads(outputs, key, classes))
    return network, spec


@dataclass(frozen=True)
class Look:
    """What a user's network shows at first sight.

    `outputs`: their shapes for a picture of `SMALL` sides, by index, key or name; {} of one tensor alone. `output`:
    that of the logits, None of one tensor alone; `guessed`: whether nobody named it. `classes`: of the logits.
    """

    outputs: Mapping[int | str, str]
    output: int | str | None
    guessed: bool
    classes: int
    spec: NetworkSpec


def look_at(user: UserNetwork, classes: Sequence[int], size: tuple[int, int], channels: int = 3) -> Look:
    """Runs the network once. Where it has several outputs and none is named, the likeliest is taken for the logits.

    `classes`: numbers that the logits may have, the likeliest first. `size`, `channels`: as of `load_user_network`.
    UserError for a network that gives no logits.
    """
    _, outputs, _ = _run(user, user.build().eval(), size, channels)
    guesses = (likely_output(outputs, count) for count in (*classes, None)) if user.output is None else ()
    guess = next((one for one in guesses if one is not None), None)
    chosen = user if guess is None else replace(user, output=guess)
    key = find_output(chosen, outputs)
    logits = outputs if key is None else take(outputs, key)
    if logits.dim() != 4:
        _check(user, logits, 0)
    _, spec = load_user_network(chosen, logits.shape[1], size, channels)
    parts = {} if isinstance(outputs, Tensor) else {name: shown(part) for name, part in parts_of(outputs).items()}
    return Look(parts, key, guess is not None and len(parts) > 1, logits.shape[1], spec)


def _run(user: UserNetwork, network: nn.Module, size: tuple[int, int], channels: int) -> tuple[Tensor, Any, int]:
    """Returns a picture, the network's outputs, and the side of a picture whose deepest map has one value."""
    for small in (SMALL, OTHER):
        with suppress(UserError):
            return _outputs(user, network, (channels, *small))
    return _outputs(user, network, (channels, *size))


def _outputs(user: UserNetwork, network: nn.Module, shape: tuple[int, int, int]) -> tuple[Tensor, Any, int]:
    heights: list[int] = []
    channels, height, width = shape

    def note(_: nn.Module, __: Any, output: Any) -> None:
        if isinstance(output, Tensor) and output.dim() == 4 and 1 < output.shape[2] <= shape[1]:
            heights.append(output.shape[2])

    hooks = [module.register_forward_hook(note) for module in network.modules()]
    picture = torch.zeros(1, *shape)
    doing = f"MODEL.NAME {user.name}: calling forward with a picture (1, {channels}, {height}, {width})"
    try:
        with torch.no_grad():
            outputs = call(doing, lambda: network(picture))
        return picture, outputs, height // min(heights, default=height)
    finally:
        for hook in hooks:
            hook.remove()


def _check(user: UserNetwork, logits: Tensor, classes: int) -> None:
    expected = OWN_TASKS[user.task]
    what = f"MODEL.NAME {user.name} gives {shown(logits)}; expected {expected.gives}, as MODEL.TASK {user.task} says"
    if not logits.is_floating_point():
        raise UserError(
            f"{what}; it takes the argmax itself: return what that reads, and COMPILE.OUTPUT argmax puts it in the file"
        )
    if logits.dim() != expected.axes:
        raise UserError(what)
    if logits.shape[1] == 1 != classes and user.task == "segmentation":
        raise UserError(
            f"MODEL.NAME {user.name} gives one map, as for a sigmoid; expected {classes} (DATASET.NUM_CLASSES): of two "
            "classes return torch.cat([-x, x], 1), whose argmax is what the sigmoid's half is"
        )
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


def _multiple(network: nn.Module, stride: int, channels: int) -> int:
    """What a picture's sides are multiples of: the least of stride, twice the stride and so on that the network takes.

    Each is tried on a picture whose sides are a multiple of it by neither 2, 3 nor 7. Where none is taken, three and
    seven times these; else the stride.
    """
    for multiple in _multiples(stride):
        times = SMALL[0] // multiple
        side = multiple * next(count for count in range(times, times + 42) if gcd(count, 42) == 1)
        if _takes(network, (channels, side, side), stride):
            return multiple
    return stride


def _multiples(stride: int) -> Iterator[int]:
    """
    >>> list(_multiples(16))
    [16, 32, 64, 48, 96, 112]
    """
    for factor in (1, 3, 7):
        multiple = stride * factor
        while multiple < SMALL[0]:
            yield multiple
            multiple *= 2


def _takes(network: nn.Module, shape: tuple[int, int, int], stride: int) -> bool:
    try:
        with torch.no_grad():
            logits = network(torch.zeros(1, *shape))
    except Exception:  # whatever the user's code raises
        return False
    return tuple(logits.shape[2:]) == (shape[1] // stride, shape[2] // stride)
