"""What a node of a calibrated graph does, for the step that it becomes."""

from __future__ import annotations

from collections.abc import Iterator

from torch import fx, nn

from qat.ao import FusedModule
from qat.backends.quantiser import ActivationQuantiser
from qat.graph.nodes import arguments, op_name, op_of, owner_of


def is_quantiser(node: fx.Node) -> bool:
    """Whether `node` rounds an activation."""
    return node.op == "call_module" and isinstance(owner_of(node).get_submodule(str(node.target)), ActivationQuantiser)


def is_idle(node: fx.Node) -> bool:
    """Whether `node` gives what it reads."""
    return op_of(node).idle and not _drops(node)


def _drops(node: fx.Node) -> bool:
    """Whether `node` is a dropout that is on in eval mode too."""
    return node.op == "call_function" and bool(arguments(node).get("training"))


def is_scalar(node: fx.Node) -> bool:
    """x + c or x * c with a number c."""
    if op_name(node) not in ("add", "mul"):
        return False
    args = arguments(node)
    return sum(isinstance(args[side], fx.Node) for side in ("input", "other")) == 1 and args.get("alpha", 1) == 1


def reads(node: fx.Node) -> list[fx.Node]:
    """The tensors that `node` reads, in order; one that it reads twice comes twice."""
    tensors: list[fx.Node] = []

    def note(source: fx.Node) -> fx.Node:
        tensors.append(source)
        return source

    fx.node.map_arg((node.args, node.kwargs), note)
    return tensors


def origins(node: fx.Node) -> Iterator[fx.Node]:
    """What `node` reads first, and what lies before that, as far as only quantisers and idle nodes lie between."""
    before = node.all_input_nodes[0]
    yield before
    while is_quantiser(before) or is_idle(before):
        before = before.all_input_nodes[0]
        yield before


def ends_in_relu(node: fx.Node) -> bool:
    """Whether torch.ao joined a ReLU to `node`'s layer."""
    module = owner_of(node).get_submodule(str(node.target)) if node.op == "call_module" else None
    return isinstance(module, FusedModule) and isinstance(module[-1], nn.ReLU)


def module_path(node: fx.Node) -> str:
    """The dotted path of the module that `node` belongs to."""
    if node.op == "call_module":
        return str(node.target)
    stack = list((node.meta.get("nn_module_stack") or {}).values())
    return str(stack[-1][0]) if stack else ""
