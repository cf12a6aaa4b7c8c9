"""Which tensors are rounded, where torch.ao's choice isn't ours: it knows a part of the operations that a program has.

It rounds a tuple as if it were a tensor, nothing behind an operation that it doesn't know, such as SiLU, and what is
sliced or shuffled anew, on another grid.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, fx, nn

from qat.ao import UniformQuantizationObserverBase
from qat.backends.fx.qconfig import backend_config
from qat.backends.node_facts import is_quantiser, is_scalar
from qat.backends.quantiser import ActivationQuantiser
from qat.backends.scales import quantisers
from qat.backends.spec import QuantSpec
from qat.graph.nodes import arguments, find_op, module_of, op_name, op_of, value_of
from qat.graph.ops import only_moves
from qat.graph.shapes import propagate

Calls = dict[fx.Node, ActivationQuantiser]
POOLS = ("max_pool2d_with_indices", "adaptive_max_pool2d_with_indices")
OTHERS = (*POOLS, "chunk", "split", "tensor_split", "unbind", "max", "min", "argmax", "argmin", "getitem")
"""Operations that may give several tensors, or none of floats."""


def round_tensors_only(prepared: fx.GraphModule, shapes: Sequence[Sequence[int]]) -> None:
    """Round no tuple and no whole numbers, and no weight that a function takes: only layers have weights of int8."""
    for node in list(prepared.graph.nodes):
        if node.op == "call_module" and _watches_weights(prepared.get_submodule(str(node.target))):
            _remove(node)
    if not all(map(_gives_floats, prepared.graph.nodes)):
        for node in _quantisers_of_others(prepared, shapes):
            _remove(node)


def round_all(prepared: fx.GraphModule, spec: QuantSpec) -> None:
    """Round what an operation gives that torch.ao doesn't know, where it reads rounded tensors and one reads it."""
    known = {entry.pattern for entry in backend_config().configs}
    for node in list(prepared.graph.nodes):
        if _gives_new_values(node) and _pattern(node) not in known and not any(map(is_quantiser, node.users)):
            readers = [reader for reader in node.users if not _is_end(reader)]
            if readers and any(map(_is_rounded, node.all_input_nodes)):
                _round(prepared, node, readers, spec)


def round_before_moves(prepared: fx.GraphModule, spec: QuantSpec) -> None:
    """Round what is moved before it is, where torch.ao doesn't know the move, such as a pad, and rounds behind it.

    So a picture that is padded, or a SiLU whose tensor is padded and concatenated, is no float island.
    """
    known = {entry.pattern for entry in backend_config().configs}
    for node in reversed(list(prepared.graph.nodes)):
        if _moves_alone(node) and _pattern(node) not in known and any(map(is_quantiser, node.users)):
            source = node.all_input_nodes[0]
            given = next(filter(is_quantiser, source.users), None)
            if given is not None:
                source.append(given)
                node.replace_input_with(source, given)
            elif _gives_floats(source) and not _is_rounded(source):
                _round(prepared, source, [node], spec)


def keep_grids(prepared: fx.GraphModule) -> None:
    """Let what is moved, or resampled, share the grid of what it was before."""
    calls: Calls = dict(quantisers(prepared))
    targets = {id(quantiser): str(node.target) for node, quantiser in calls.items()}
    for node, quantiser in calls.items():
        source = node.all_input_nodes[0]
        grid = _grid(source, calls)
        if grid is not None and grid is not quantiser and type(grid) is type(quantiser) and not quantiser.fixed:
            node.target, calls[node] = targets[id(grid)], grid


def _watches_weights(module: nn.Module) -> bool:
    return isinstance(module, UniformQuantizationObserverBase)


def _remove(node: fx.Node) -> None:
    node.replace_all_uses_with(node.all_input_nodes[0])
    node.graph.erase_node(node)


def _gives_floats(node: fx.Node) -> bool:
    """Whether `node` surely gives one tensor of floats."""
    if find_op(node) is None:
        return node.op in ("placeholder", "output") or is_quantiser(node)
    return op_name(node) not in OTHERS and not arguments(node).get("return_indices")


def _quantisers_of_others(prepared: fx.GraphModule, shapes: Sequence[Sequence[int]]) -> list[fx.Node]:
    """The quantisers that stand behind what isn't a tensor of floats."""
    view = copy.deepcopy(prepared)
    for node, _ in list(quantisers(view)):
        view.set_submodule(str(node.target), nn.Identity())
    propagate(view, [torch.zeros(*shape) for shape in shapes])
    values = {node.name: value_of(node) for node in view.graph.nodes}
    return [node for node, _ in quantisers(prepared) if not _is_floating(values[node.all_input_nodes[0].name])]


def _is_floating(value: object) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point()


def _gives_new_values(node: fx.Node) -> bool:
    op = find_op(node)
    return op is not None and _gives_floats(node) and not (op.idle or op.resampling or is_scalar(node))


def _pattern(node: fx.Node) -> object:
    """What torch.ao's table calls the operation."""
    module = module_of(node)
    return node.target if module is None else type(module)


def _is_rounded(node: fx.Node) -> bool:
    """Whether `node` gives rounded values, maybe moved."""
    if is_quantiser(node):
        return True
    passes = op_of(node).idle or only_moves(op_name(node), arguments(node))
    return passes and any(map(_is_rounded, node.all_input_nodes))


def _moves_alone(node: fx.Node) -> bool:
    """Whether `node` only moves what one tensor holds."""
    moves = find_op(node) is not None and only_moves(op_name(node), arguments(node))
    return moves and not is_quantiser(node) and len(node.all_input_nodes) == 1


def _is_end(node: fx.Node) -> bool:
    return node.op == "output" or (op_of(node).idle and all(map(_is_end, node.users)))


def _round(prepared: fx.GraphModule, node: fx.Node, readers: Sequence[fx.Node], spec: QuantSpec) -> None:
    name = f"activation_post_process_of_{node.name}"
    prepared.add_submodule(name, ActivationQuantiser(spec))
    with prepared.graph.inserting_after(node):
        rounded = prepared.graph.call_module(name, (node,))
    for reader in readers:
        reader.replace_input_with(node, rounded)


def _grid(node: fx.Node, calls: Calls) -> ActivationQuantiser | None:
    """The quantiser on whose grid all values lie that `node` gives, if it only moves or resamples them."""
    if node in calls:
        return calls[node]
    op = op_of(node)
    passes = op.idle or op.resampling or only_moves(op.name, arguments(node))
    grids = [_grid(source, calls) for source in node.all_input_nodes if passes]
    return grids[0] if grids and all(grid is grids[0] for grid in grids) else None
