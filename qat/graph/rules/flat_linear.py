"""Linear maps of one pixel, flattened before and put back behind, become 1x1 convolutions.

before: gate = fc2(relu(fc1(pool(x).flatten(1)))).view(N, C, 1, 1)
after:  gate = conv2(relu(conv1(pool(x))))
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn
from torch.fx import Node

from qat.graph.edit import replace
from qat.graph.nodes import arguments, is_elementwise, is_reshape, is_tensor, module_of, op_of, owner_of, shape_of
from qat.graph.rules.rule import Rule
from qat.graph.shapes import infer


def _match(node: Node) -> bool:
    return _flattens(node) and any(_is_linear(step) for step in _way(node))


def _check(node: Node) -> str | None:
    for step in _way(node):
        for reader in step.users:
            if not (_puts_back(reader) or _works_flat(reader)):
                return f"four axes aren't put back before {reader.name}, which reads shape {shape_of(step)}"
        if _is_linear(step) and _calls(step) > 1:
            return f"{step.target} is called elsewhere too"
    return None


def _apply(node: Node) -> str:
    steps = list(_way(node))
    backs = {reader for step in steps for reader in step.users if _puts_back(reader)}
    linears = [step for step in steps if _is_linear(step)]
    for step in linears:
        _become_convolution(step)
    source = arguments(node)["input"]
    if op_of(node).reduces:
        node.args, node.kwargs = (source,), {"dim": arguments(node)["dim"], "keepdim": True}
        infer(node)
    else:
        replace(node, source)
        steps.remove(node)
    for step in steps:
        infer(step)
    for back in backs:
        replace(back, back.all_input_nodes[0])
    return f"1x1 Conv2d {', '.join(str(step.target) for step in linears)}"


def _flattens(node: Node) -> bool:
    """Whether `node` makes (N, C) of (N, C, 1, 1), or reduces height and width."""
    source = node.all_input_nodes[0] if node.all_input_nodes else None
    before, after = shape_of(source), shape_of(node)
    if not (is_tensor(source) and len(before) == 4 and after == before[:2]):
        return False
    return op_of(node).reduces or (is_reshape(node) and before[2:] == (1, 1))


def _way(node: Node) -> Iterator[Node]:
    """`node` and what works on (N, C) behind it, in the graph's order."""
    way = {node}
    for step in node.graph.nodes:
        if step is node or (_works_flat(step) and step.all_input_nodes[0] in way):
            way.add(step)
            yield step


def _works_flat(node: Node) -> bool:
    return len(shape_of(node)) == 2 and (_is_linear(node) or is_elementwise(node) or op_of(node).idle)


def _puts_back(node: Node) -> bool:
    source = node.all_input_nodes[0] if node.all_input_nodes else None
    return is_reshape(node) and shape_of(node) == (*shape_of(source), 1, 1)


def _is_linear(node: Node) -> bool:
    return isinstance(module_of(node), nn.Linear)


def _calls(node: Node) -> int:
    return sum(call.target == node.target for call in node.graph.find_nodes(op="call_module"))


def _become_convolution(node: Node) -> None:
    linear = module_of(node)
    assert isinstance(linear, nn.Linear)
    conv = nn.Conv2d(linear.in_features, linear.out_features, 1, bias=linear.bias is not None, device="meta")
    weight = linear.weight.detach()[:, :, None, None]
    conv.weight = nn.Parameter(weight, requires_grad=linear.weight.requires_grad)
    conv.bias = linear.bias
    owner_of(node).set_submodule(str(node.target), conv.train(linear.training))


RULE = Rule(
    "flat_linear",
    "a device's tensors have four axes all the way, and a map of one pixel is a convolution",
    _match,
    _apply,
    _check,
)
