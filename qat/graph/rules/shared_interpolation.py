"""One interpolation instead of two, where a 1x1 convolution stands between a tensor and the second.

before: interpolate(conv(y)), interpolate(y)
after:  conv(z), z                          with z = interpolate(y): its weights add up to 1, so the two commute
"""

from __future__ import annotations

from torch import nn
from torch.fx import Node

from qat.graph.edit import call, replace
from qat.graph.nodes import arguments, module_of, op_name
from qat.graph.rules.rule import Rule
from qat.graph.shapes import infer

LINEAR = ("nearest", "nearest-exact", "bilinear")


def _match(node: Node) -> bool:
    return op_name(node) == "interpolate" and _twin(node) is not None


def _check(node: Node) -> str | None:
    chain, args = _chain(node), arguments(node)
    if args["mode"] not in LINEAR or args["antialias"]:
        return f"mode {args['mode']}'s weights need not add up to 1"
    if any(len(step.users) > 1 for step in chain):
        return f"{chain[-1]} is read elsewhere too"
    conv = module_of(chain[0])
    is_pointwise = isinstance(conv, nn.Conv2d) and _is_pointwise(conv)
    return None if is_pointwise else f"{chain[0]} looks at neighbouring pixels"


def _apply(node: Node) -> str:
    chain, twin = _chain(node), _twin(node)
    assert twin is not None
    source = chain[0].all_input_nodes[0]
    first = min(twin, chain[0])  # in the graph's order: what reads the twin may come before the convolution
    resized = call(nn.functional.interpolate, source, like=first, **_settings(twin))
    chain[0].replace_input_with(source, resized)
    for step in chain:
        infer(step)
    replace(node, chain[-1])
    replace(twin, resized)
    return f"{twin} moved before {chain[0].target}"


def _chain(node: Node) -> list[Node]:
    """The convolution before `node` and the batch normalisation between, if any; empty without a convolution."""
    before = node.all_input_nodes[0]
    steps = [before]
    if isinstance(module_of(before), nn.BatchNorm2d):
        steps.insert(0, before.all_input_nodes[0])
    return steps if isinstance(module_of(steps[0]), nn.Conv2d) else []


def _twin(node: Node) -> Node | None:
    """Another interpolation to the same size, of what the convolution reads."""
    chain = _chain(node)
    if not chain:
        return None
    users = chain[0].all_input_nodes[0].users
    alike = (user for user in users if op_name(user) == "interpolate" and _settings(user) == _settings(node))
    return next(alike, None)


def _settings(node: Node) -> dict[str, object]:
    return {key: value for key, value in arguments(node).items() if key != "input"}


def _is_pointwise(conv: nn.Conv2d) -> bool:
    return (conv.kernel_size, conv.stride, conv.padding) == ((1, 1), (1, 1), (0, 0))


RULE = Rule(
    "shared_interpolation",
    "interpolation is slow on devices and rounds; a 1x1 convolution of more pixels costs less",
    _match,
    _apply,
    _check,
)
