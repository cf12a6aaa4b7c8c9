"""What a graph's node does: its operation, its arguments by name, what it gives."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.fx import GraphModule, Node

from qat.ao import core_of
from qat.graph.ops import BY_FUNCTION, BY_METHOD, BY_MODULE, REQUIRED, Op
from qat.torch_private import submodule

_KINDS = {"placeholder": "input", "output": "output", "get_attr": "constant"}
ALIASES = {"axis": "dim", "x": "input", "tensor": "input", "split_size_or_sections": "split_size", "self": "input"}


def owner_of(node: Node) -> GraphModule:
    """The module that `node`'s graph belongs to."""
    owner = node.graph.owning_module
    assert isinstance(owner, GraphModule)  # every graph here comes from trace()
    return owner


def module_of(node: Node) -> nn.Module | None:
    """The module that a call_module node calls (of torch.ao's fused ones the first part); None for other nodes."""
    return core_of(submodule(owner_of(node), str(node.target))) if node.op == "call_module" else None


def find_op(node: Node) -> Op | None:
    """The table's row for `node`; None where it has none. A subclass of a module counts as that module."""
    module = module_of(node)
    if module is not None:
        return next((BY_MODULE[kind] for kind in type(module).__mro__ if kind in BY_MODULE), None)
    if node.op == "call_function":
        return BY_FUNCTION.get(node.target)  # type: ignore[arg-type]
    return BY_METHOD.get(str(node.target)) if node.op == "call_method" else None


def op_of(node: Node) -> Op:
    """The table's row for `node`; one without spellings and traits where it has none."""
    return find_op(node) or Op(op_name(node), {})


def op_name(node: Node) -> str:
    """`node`'s operation under its one name, such as add; for an operation outside the table, its own spelling."""
    op = find_op(node)
    if op is not None:
        return op.name
    return _KINDS.get(node.op) or spelling(node).rpartition(".")[2]


def spelling(node: Node) -> str:
    """How the model writes the operation: `operator.add`, `torch.add`, `F.interpolate`, `Tensor.add`, `nn.ReLU`."""
    module = module_of(node)
    if module is not None:
        return f"nn.{type(module).__name__}"
    return f"Tensor.{node.target}" if node.op == "call_method" else spelled(node.target)


def spelled(function: Any) -> str:
    """A function's name behind the short name of its module."""
    name, home = getattr(function, "__name__", str(function)), str(getattr(function, "__module__", None))
    if home in ("_operator", "operator"):
        return f"operator.{name}"
    if home in ("torch.nn.functional", "torch._C._nn"):
        return f"F.{name}"
    return f"torch.{name}" if home in ("None", "torch") else name


def arguments(node: Node) -> dict[str, Any]:
    """`node`'s arguments by torch's parameter names in torch's order; empty for operations outside the table.

    Defaults are filled in, nodes stay nodes, and a module's attributes stand for its arguments.
    """
    op = find_op(node)
    if op is None:
        return {}
    module, args = module_of(node), node.args
    attributes = (
        {} if module is None else {name: getattr(module, name) for name in op.parameters if hasattr(module, name)}
    )
    if op.variadic and len(args) > 1 and not isinstance(args[1], tuple | list):
        args = (args[0], args[1:])
    named = {ALIASES.get(key, key): value for key, value in node.kwargs.items()}
    every = {**op.parameters, **attributes, **dict(zip(op.parameters, args, strict=False)), **named}
    return {name: value for name, value in every.items() if value is not REQUIRED}


def value_of(node: Any) -> Any:
    """What `node` gave when shapes were propagated: a fake tensor, a number, or a tuple or list of them."""
    return node.meta.get("val") if isinstance(node, Node) else node


def is_tensor(node: Any) -> bool:
    """Whether `node` is a node that gives one tensor."""
    return isinstance(node, Node) and isinstance(value_of(node), Tensor)


def shape_of(node: Any) -> tuple[int, ...]:
    """The shape of the tensor that `node` gives; () where it gives none."""
    value = value_of(node)
    return tuple(value.shape) if isinstance(value, Tensor) else ()


def is_reshape(node: Node) -> bool:
    """Whether `node` gives its input's values in the same order under another shape."""
    op, source = op_of(node), node.args[0] if node.args else None
    if not (is_tensor(node) and is_tensor(source) and value_of(node).dtype == value_of(source).dtype):
        return False
    return op.reshapes or (op.name == "getitem" and _only_adds_axes(node.args[1]))


def is_elementwise(node: Node) -> bool:
    """Whether `node` works value by value on one tensor, so that its shape doesn't matter."""
    return op_of(node).elementwise and sum(map(is_tensor, node.all_input_nodes)) == 1


def _only_adds_axes(index: object) -> bool:
    parts = index if isinstance(index, tuple) else (index,)
    return all(part is None or part is Ellipsis or part == slice(None) for part in parts)
