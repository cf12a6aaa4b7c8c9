"""One form for each operation of a program: indices in plain numbers, one step for each tensor of several."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any, cast

import torch
from torch import Tensor, fx

from qat.errors import UserError
from qat.graph.nodes import module_of, op_name, shape_of, value_of
from qat.graph.source import source_of
from qat.program.operands import Operands, Source

Constant = Callable[[Source], "Tensor | None"]  # the tensor that a node always gives; None where a picture decides

SPLITS = ("chunk", "split", "tensor_split")
EXTREMES = {"max": ("amax", "argmax", "maximum"), "min": ("amin", "argmin", "minimum")}
POOLS = ("max_pool2d", "adaptive_max_pool2d")  # with their places, by a setting or by a function of its own
PADS = {"pad_layer": "constant", "pad_reflect": "reflect", "pad_replicate": "replicate"}


@dataclass(frozen=True)
class Form:
    """An operation under the name that steps have, the tensors that it reads and its settings."""

    op: str
    tensors: tuple[Source, ...]
    attributes: Mapping[str, Any]


def form_of(node: fx.Node, operands: Operands, constant: Constant) -> Form:
    """The form of what `node` does.

    Raises UserError, with the model's line, for what no step does: an index that is computed, several tensors.
    """
    form = Form(op_name(node), operands.tensors, operands.attributes)
    if form.op in EXTREMES:
        return _extreme(node, form)
    if form.op in PADS:
        sides = form.attributes["padding"]
        padding = (sides,) * 4 if isinstance(sides, int) else tuple(sides)
        settings = {"pad": padding, "mode": PADS[form.op], "value": getattr(module_of(node), "value", None)}
        return replace(form, op="pad", attributes=settings)
    return FORMS[form.op](node, form, constant) if form.op in FORMS else form


def part_of(node: fx.Node, operands: Operands, part: int) -> Form:
    """The form that gives the tensor number `part` of the several that `node` gives; UserError where there is none."""
    name, given = op_name(node), operands.attributes
    if name in SPLITS:
        return Form("getitem", operands.tensors, {"index": _section(node, given["dim"], part)})
    if name == "unbind":
        shape = shape_of(operands.tensors[0])
        index = (slice(None),) * (given["dim"] % len(shape)) + (part,)
        return Form("getitem", operands.tensors, {"index": plain_index(index, shape)})
    if name in EXTREMES:
        return Form(EXTREMES[name][part], operands.tensors, {"dim": given["dim"], "keepdim": given["keepdim"]})
    pool = name.removesuffix("_with_indices")
    if pool in POOLS:
        return Form(f"{pool}_indices" if part else pool, operands.tensors, {**given, "return_indices": False})
    raise UserError(f"{source_of(node)}: {name} ({node.name}) gives several tensors, which no program holds")


def picked(node: fx.Node) -> Sequence[int]:
    """The numbers of the parts that `node`, an index of a tuple, picks."""
    parts = range(len(value_of(node.args[0])))
    index = cast("int | slice", node.args[1])
    return parts[index] if isinstance(index, slice) else [parts[index]]


def plain_index(index: Any, shape: Sequence[int]) -> tuple[slice | int | None, ...]:
    """An index of a tensor of `shape` as one entry for each axis, with numbers from 0 on; None adds an axis.

    >>> plain_index((Ellipsis, -1), (2, 3, 4))
    (slice(0, 2, 1), slice(0, 3, 1), 3)
    >>> plain_index((slice(None), None, slice(-2, None)), (2, 3))
    (slice(0, 2, 1), None, slice(1, 3, 1))
    """
    entries = list(index) if isinstance(index, tuple | list) else [index]
    named = sum(entry is not None and entry is not Ellipsis for entry in entries)
    if Ellipsis not in entries:
        entries.append(Ellipsis)
    at = entries.index(Ellipsis)
    entries[at : at + 1] = [slice(None)] * (len(shape) - named)
    sizes = iter(shape)
    return tuple(None if entry is None else _plain(entry, next(sizes)) for entry in entries)


def _plain(entry: slice | int, size: int) -> slice | int:
    return slice(*entry.indices(size)) if isinstance(entry, slice) else entry % size


def _section(node: fx.Node, dim: int, part: int) -> tuple[slice | int | None, ...]:
    values = value_of(node)
    axis = dim % values[0].ndim
    ends = list(accumulate(value.shape[axis] for value in values))
    whole = [*values[0].shape]
    whole[axis] = ends[-1]
    section = slice(ends[part] - values[part].shape[axis], ends[part])
    return plain_index((slice(None),) * axis + (section,), whole)


def _extreme(node: fx.Node, form: Form) -> Form:
    """torch.max of one tensor, or of two."""
    whole, _, two = EXTREMES[form.op]
    if len(form.tensors) == 2:
        return Form(two, form.tensors, {})
    return Form(whole, form.tensors, {"dim": tuple(range(len(shape_of(form.tensors[0])))), "keepdim": False})


def _index(node: fx.Node, form: Form, constant: Constant) -> Form:
    """An index of numbers and slices, or of one list or constant tensor in the place of an axis."""
    (source, *chosen), shape = form.tensors, shape_of(form.tensors[0])
    index = node.args[1]
    entries = list(index) if isinstance(index, tuple) else [index]
    lists = [at for at, entry in enumerate(entries) if entry in chosen or isinstance(entry, list)]
    if not lists:
        return replace(form, attributes={"index": plain_index(form.attributes["index"], shape)})
    at = lists[0]
    before = [entry for entry in entries[:at] if entry != slice(None)]
    if len(lists) > 1 or before or any(entry not in (slice(None), Ellipsis) for entry in entries[at + 1 :]):
        raise _unknown_index(node, "by several lists")
    axis = at if before == [] else len(shape) - (len(entries) - at)
    return Form("index_select", (source,), {"dim": axis, "index": _numbers(node, entries[at], constant)})


def _numbers(node: fx.Node, value: Any, constant: Constant) -> tuple[int, ...]:
    if isinstance(value, list):
        return tuple(map(int, value))
    tensor = constant(value)
    if tensor is None or tensor.ndim != 1 or tensor.dtype != torch.int64:
        raise _unknown_index(node, "by a tensor that is computed")
    return tuple(map(int, tensor))


def _unknown_index(node: fx.Node, how: str) -> UserError:
    return UserError(f"{source_of(node)}: {op_name(node)} ({node.name}) picks {how}, which no program holds")


def _select(node: fx.Node, form: Form, constant: Constant) -> Form:
    """One index of an axis, or a run of them."""
    given, shape = form.attributes, shape_of(form.tensors[0])
    start = given.get("start", given.get("index"))
    entry = slice(start, start + given["length"]) if "length" in given else start
    index = (slice(None),) * (given["dim"] % len(shape)) + (entry,)
    return Form("getitem", form.tensors, {"index": plain_index(index, shape)})


def _index_select(node: fx.Node, form: Form, constant: Constant) -> Form:
    source, index = form.tensors
    return Form("index_select", (source,), {"dim": form.attributes["dim"], "index": _numbers(node, index, constant)})


def _expand(node: fx.Node, form: Form, constant: Constant) -> Form:
    return Form("expand", form.tensors[:1], {})


def _movedim(node: fx.Node, form: Form, constant: Constant) -> Form:
    rank = len(shape_of(form.tensors[0]))
    source, destination = (_axes(form.attributes[side], rank) for side in ("source", "destination"))
    order = [axis for axis in range(rank) if axis not in source]
    for to, axis in sorted(zip(destination, source, strict=True)):
        order.insert(to, axis)
    return Form("permute", form.tensors, {"dims": tuple(order)})


def _axes(value: int | Sequence[int], rank: int) -> list[int]:
    return [axis % rank for axis in ([value] if isinstance(value, int) else value)]


FORMS: dict[str, Callable[[fx.Node, Form, Constant], Form]] = {
    "getitem": _index,
    "narrow": _select,
    "select": _select,
    "index_select": _index_select,
    "expand": _expand,
    "expand_as": _expand,
    "movedim": _movedim,
}
