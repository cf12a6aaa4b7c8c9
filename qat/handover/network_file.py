"""network.py: a rewritten graph as plain nn.Modules and one forward, for Python 3.8 and torch 1.10 on.

torch.fx's own text names types that it doesn't define, and `to_folder` pickles the layers with absolute paths.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, fx, nn

from qat.ao import DeQuantStub, QuantStub
from qat.errors import UserError
from qat.handover.call_text import attribute_text, call_text, value_text
from qat.handover.layer_text import layer_text
from qat.handover.templating import filled

STEP = "step_"  # what the names of operations with a module of their own begin with


@dataclass(frozen=True)
class _Lines:
    """Of the file: what `__init__` registers, by name or as a tree of names, and forward's statements."""

    tree: dict[str, Any] = field(default_factory=dict)
    forward: list[str] = field(default_factory=list)


def network_text(graph: fx.GraphModule, title: str, named: Collection[fx.Node] = ()) -> str:
    """The file's text.

    Args:
        graph: rewritten, with stubs; one input, one output.
        title: of the network, for the docstring.
        named: nodes that a qconfig names: those that call functions get a module of their own (`module_name`).

    Raises:
        UserError: for several inputs or outputs, and for what isn't torch's.
    """
    nodes = list(graph.graph.nodes)
    inputs = [node for node in nodes if node.op == "placeholder"]
    result = nodes[-1].args[0]
    if len(inputs) != 1 or not isinstance(result, fx.Node):
        raise UserError("a bundle is written for a network with one input and one output, the logits")
    lines = _Lines()
    for name, value in _tensors(graph):
        _put(lines.tree, name, _tensor_text(graph, name, value))
    for node in nodes:
        _write(graph, node, node in named, lines)
    parts = {"register": "\n".join(_register(lines.tree)), "forward": lines.forward, "result": value_text(result)}
    return filled("network.py.j2", title=title, x=inputs[0].name, **parts)


def _write(graph: fx.GraphModule, node: fx.Node, apart: bool, lines: _Lines) -> None:
    if node.op == "call_module":
        path = str(node.target)
        _put(lines.tree, path, _layer(graph.get_submodule(path), path))
        arguments = ", ".join(value_text(value) for value in node.args)
        lines.forward.append(f"{node.name} = self{attribute_text(path)}({arguments})")
    elif node.op in ("call_function", "call_method"):
        expression = call_text(node)
        lines.forward.append(f"{node.name} = {_apart(node, expression, lines) if apart else expression}")


def _apart(node: fx.Node, expression: str, lines: _Lines) -> str:
    """The call of a module of its own, which forward's `expression` becomes."""
    constants = [source.name for source in node.all_input_nodes if source.op == "get_attr"]
    if constants:
        raise UserError(
            f"{node.name} is kept in 16 bits and reads the network's own {constants[0]}; raise QUANT.MAX_DROP"
        )
    inputs, name = ", ".join(source.name for source in node.all_input_nodes), module_name(node)
    lines.tree[name] = f"Step(lambda {inputs}: {expression})"
    return f"self.{name}({inputs})"


def module_name(node: fx.Node) -> str:
    """The module that a qconfig names for `node`: the layer that it calls, or an operation's own."""
    return str(node.target) if node.op == "call_module" else f"{STEP}{node.name}"


def _layer(layer: nn.Module, path: str) -> str:
    if isinstance(layer, QuantStub):
        return "quant_stub()"
    return "dequant_stub()" if isinstance(layer, DeQuantStub) else layer_text(layer, path)


def _tensors(graph: fx.GraphModule) -> list[tuple[str, Tensor]]:
    """The tensors that the graph reads by itself."""
    names = dict.fromkeys(str(node.target) for node in graph.graph.nodes if node.op == "get_attr")
    found: list[tuple[str, Tensor]] = []
    for name in names:
        owner, _, leaf = name.rpartition(".")
        found.append((name, getattr(graph.get_submodule(owner), leaf)))
    return found


def _tensor_text(graph: fx.GraphModule, name: str, value: Tensor) -> str:
    if name not in graph.state_dict():
        raise UserError(f"the network reads {name}, which isn't in its state_dict; register it as a buffer")
    return f"torch.zeros({tuple(value.shape)}, dtype={value.dtype})"


def _put(tree: dict[str, Any], path: str, text: str) -> None:
    *above, leaf = path.split(".")
    for name in above:
        tree = tree.setdefault(name, {})
    tree[leaf] = text


def _register(tree: dict[str, Any]) -> list[str]:
    """The statements of `__init__`."""
    lines = []
    for name, value in tree.items():
        if isinstance(value, str) and value.startswith("torch.zeros("):
            lines.append(f'self.register_buffer("{name}", {value})')
        elif name.isidentifier():
            lines += _indented(f"self.{name} = ", value, "")
        else:
            lines += _indented(f'self.add_module("{name}", ', value, ")")
    return [f"        {line}" for line in lines]


def _indented(before: str, value: Any, after: str) -> list[str]:
    if isinstance(value, str):
        return [f"{before}{value}{after}"]
    lines = [f"{before}Part("]
    for name, child in value.items():
        lines += [f"    {line}" for line in _indented(f'("{name}", ', child, "),")]
    return [*lines, f"){after}"]
