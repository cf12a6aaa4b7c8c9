"""Resizing by a factor, or by an Upsample layer, becomes `interpolate` to a constant size.

before: interpolate(x, scale_factor=2); nn.Upsample(scale_factor=2)(x)
after:  interpolate(x, size=[64, 128])
"""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch.fx import Node

from qat.graph.edit import call, replace
from qat.graph.nodes import arguments, op_name, shape_of
from qat.graph.rules.rule import Rule


def _match(node: Node) -> bool:
    return op_name(node) == "interpolate" and (node.op == "call_module" or arguments(node)["scale_factor"] is not None)


def _check(node: Node) -> str | None:
    args = arguments(node)
    source, target = shape_of(args["input"])[2:], shape_of(node)[2:]
    if _size_is_enough(args, source, target):
        return None
    return f"{source} times {args['scale_factor']} is not whole: the sampling grid isn't that of the size {target}"


def _apply(node: Node) -> str:
    target = shape_of(node)[2:]
    args = arguments(node) | {"size": list(target), "scale_factor": None, "recompute_scale_factor": None}
    replace(node, call(F.interpolate, args.pop("input"), like=node, **args))
    return f"size {tuple(target)}"


def _size_is_enough(args: dict[str, Any], source: tuple[int, ...], target: tuple[int, ...]) -> bool:
    """Whether the sampling grid follows from the sizes: torch uses the given factor itself unless told to recompute."""
    factor = args["scale_factor"]
    if factor is None or args["recompute_scale_factor"] or args["align_corners"]:
        return True
    factors = factor if isinstance(factor, tuple | list) else [factor] * len(source)
    return all(before * by == after for before, by, after in zip(source, factors, target, strict=True))


RULE = Rule(
    "interpolate_size",
    "a device's compiler fixes every size, and the int8 resize has no Upsample layer",
    _match,
    _apply,
    _check,
)
