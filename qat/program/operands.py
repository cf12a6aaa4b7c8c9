"""What a node of a calibrated graph is given: tensors, in the order of torch's parameters, and settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, fx, nn

from qat.errors import UserError
from qat.graph.nodes import ALIASES, arguments, find_op, module_of, op_name, op_of, value_of
from qat.graph.shapes import is_number, is_size
from qat.graph.source import source_of
from qat.torch_private import tree_leaves

Source = fx.Node | Tensor  # a node of the graph, or a tensor that a module holds


@dataclass(frozen=True)
class Operands:
    """The tensors that an operation reads, and its settings by torch's parameter names; nodes are numbers there."""

    tensors: tuple[Source, ...]
    attributes: Mapping[str, Any]


def operands_of(node: fx.Node) -> Operands:
    """What `node` is given.

    Raises UserError for a layer's setting that a program has no place for, and for a number that the network computes
    from its pixels.
    """
    if find_op(node) is None:
        return Operands(tuple(source for source in node.all_input_nodes if gives_tensors(source)), {})
    _refuse_module(node)
    _refuse_arguments(node)
    tensors: list[Source] = []
    attributes: dict[str, Any] = {}
    for name, value in arguments(node).items():
        found = [leaf for leaf in tree_leaves(value) if isinstance(leaf, Tensor) or _is_source(leaf)]
        tensors += found
        if not found:
            attributes[name] = _with_numbers(node, value)
    return Operands(tuple(tensors), attributes)


def gives_tensors(node: fx.Node) -> bool:
    """Whether `node` gives a tensor, or several."""
    return any(isinstance(leaf, Tensor) for leaf in tree_leaves(value_of(node)))


def gives_several(node: fx.Node) -> bool:
    """Whether `node` gives a tuple or list of tensors."""
    return gives_tensors(node) and not isinstance(value_of(node), Tensor)


def _is_source(leaf: Any) -> bool:
    return isinstance(leaf, fx.Node) and gives_tensors(leaf)


def _refuse_module(node: fx.Node) -> None:
    module = module_of(node)
    if getattr(module, "padding_mode", "zeros") != "zeros":
        raise UserError(
            f"{source_of(node)}: {node.target} pads with padding_mode {module.padding_mode!r}, "  # type: ignore[union-attr]
            "which int8 files don't have; use padding_mode='zeros'"
        )
    if isinstance(module, nn.BatchNorm2d) and module.running_mean is None:
        raise UserError(
            f"{source_of(node)}: {node.target} normalises by each batch's statistics; use track_running_stats=True"
        )
    if isinstance(module, nn.InstanceNorm2d) and module.running_mean is not None:
        raise UserError(
            f"{source_of(node)}: {node.target} normalises by running statistics; use nn.BatchNorm2d, which is the same"
        )


def _refuse_arguments(node: fx.Node) -> None:
    """UserError for what the operation's row doesn't know, such as a dtype."""
    if node.op == "call_module":
        return
    op = op_of(node)
    more = [] if op.variadic else [str(value) for value in node.args[len(op.parameters) :] if value is not None]
    named = {ALIASES.get(name, name): value for name, value in node.kwargs.items() if not name.startswith("_")}
    more += [name for name, value in named.items() if name not in op.parameters and value not in (None, False)]
    if more:
        given = ", ".join(more)
        raise UserError(f"{source_of(node)}: {op.name} ({node.name}) is given {given}, which no program holds")


def _with_numbers(node: fx.Node, value: Any) -> Any:
    """`value` with the numbers that its nodes give for the example."""

    def number(source: fx.Node) -> Any:
        if not (is_number(value_of(source)) and is_size(source)):
            raise UserError(
                f"{source_of(node)}: {op_name(node)} ({node.name}) takes a number that is computed from the pixels, "
                "which no program holds; give a number"
            )
        return value_of(source)

    return fx.node.map_arg(value, number) if _has_node(value) else value


def _has_node(value: Any) -> bool:
    found: list[fx.Node] = []
    fx.node.map_arg(value, found.append)
    return bool(found)
