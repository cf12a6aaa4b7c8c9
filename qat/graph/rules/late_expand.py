"""An expansion moves behind layers that work pixel by pixel, where arithmetic may broadcast instead.

before: conv1x1(gate.expand_as(x)) * x      with a gate (N, C, 1, 1)
after:  conv1x1(gate).expand(-1, -1, H, W) * x
"""

from __future__ import annotations

from torch import nn
from torch.fx import Node

from qat.graph.edit import call_method, follow_picture
from qat.graph.nodes import is_elementwise, is_tensor, module_of, op_name, op_of, shape_of
from qat.graph.rules.rule import Rule
from qat.graph.shapes import infer


def _match(node: Node) -> bool:
    if op_name(node) not in ("expand", "expand_as") or not is_tensor(node):
        return False
    before, after = shape_of(node.all_input_nodes[0]), shape_of(node)
    return len(after) == 4 and before == (*after[:2], 1, 1) != after and any(map(_is_pixelwise, node.users))


def _apply(node: Node) -> str:
    source, (height, width) = node.all_input_nodes[0], shape_of(node)[2:]
    moved = [user for user in node.users if _is_pixelwise(user)]
    for user in moved:
        user.replace_input_with(node, source)
        infer(user)
        late = call_method("expand", user, -1, -1, height, width, like=user, after=user)
        follow_picture(late)
        for reader in [reader for reader in user.users if reader is not late]:
            reader.replace_input_with(user, late)
    if not node.users:
        node.graph.erase_node(node)
    return f"behind {', '.join(map(str, moved))}"


def _is_pixelwise(node: Node) -> bool:
    module = module_of(node)
    if isinstance(module, nn.Conv2d):
        return (module.kernel_size, module.stride, module.padding) == ((1, 1), (1, 1), (0, 0))
    return isinstance(module, nn.BatchNorm2d) or is_elementwise(node) or op_of(node).idle


RULE = Rule(
    "late_expand",
    "what is equal at every pixel is computed once, and torch has no int8 expand",
    _match,
    _apply,
)
