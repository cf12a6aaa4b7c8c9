"""What every node gives on an example, without computing it: fake tensors have shapes, types and aliases, no data."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import Graph, GraphModule, Interpreter, Node

from qat.errors import UserError
from qat.graph.source import first_line, source_of
from qat.torch_private import (
    FakeTensor,
    FakeTensorMode,
    at_node,
    quiet_fake_tensors,
    tree_leaves,
    tree_map_only,
    unset_fake_temporarily,
)

NUMBERS = (int, float, bool)
FACTS = ("shape", "ndim", "dtype", "device", "layout", "itemsize", "is_cuda", "is_quantized", "requires_grad")
FACT_METHODS = ("size", "dim", "numel", "ndimension", "nelement", "is_floating_point", "is_complex", "is_contiguous")
FACT_FUNCTIONS = (torch.numel, torch.is_floating_point, torch.is_complex)


def propagate(module: GraphModule, inputs: Sequence[Tensor]) -> None:
    """Store in every node's `meta["val"]` what it gives on `inputs`; UserError if the model doesn't take them."""
    _run(module, inputs, "val")


def mark_batch(module: GraphModule, inputs: Sequence[Tensor]) -> None:
    """Set `meta["batch"]` on every number that changes with the batch size, to what it is for twice the batch.

    It may not become a constant.
    """
    if not any(is_number(node.meta["val"]) for node in module.graph.nodes):
        return
    with contextlib.suppress(UserError):  # a model for one batch size only
        _run(module, twice(inputs), "val_doubled")
    for node in module.graph.nodes:
        doubled_value = node.meta.pop("val_doubled", None)
        if is_number(node.meta["val"]) and doubled_value is not None and doubled_value != node.meta["val"]:
            node.meta["batch"] = doubled_value


def twice(inputs: Sequence[Tensor]) -> list[Tensor]:
    """Tensors of twice the batch size."""
    return [torch.empty((2 * x.shape[0], *x.shape[1:]), dtype=x.dtype, device=x.device) for x in inputs if x.dim()]


def infer(node: Node) -> None:
    """Store what `node` gives in its `meta["val"]`, from its inputs' values: for a node that a rule made or changed."""
    module = node.graph.owning_module
    assert module is not None  # rules work on the graphs of modules
    mode = next(source.meta["val"].fake_mode for source in node.graph.find_nodes(op="placeholder"))
    with mode, torch.no_grad():
        recorder = _Recorder(module, mode, "val")
        recorder.env = {source: source.meta["val"] for source in node.all_input_nodes}
        recorder.run_node(node)


def is_number(value: Any) -> bool:
    """Whether `value` is a number, or a tuple, list or size of numbers."""
    leaves = tree_leaves(tuple(value) if isinstance(value, torch.Size) else value)
    return bool(leaves) and all(isinstance(leaf, NUMBERS) for leaf in leaves)


def is_size(node: Node) -> bool:
    """Whether `node` gives sizes, or numbers computed from sizes alone (not one that depends on pixels)."""
    if node.op not in ("call_function", "call_method") or not is_number(node.meta["val"]):
        return False
    return _reads_shape(node) or all(map(is_size, node.all_input_nodes))


def _reads_shape(node: Node) -> bool:
    if node.op == "call_method":
        return node.target in ("size", "dim", "numel")
    return node.target is getattr and node.args[1] in ("shape", "ndim")


class GrowingShapes:
    """What the nodes give of a graph that is being traced: `key` of their meta, brought up to date on demand."""

    def __init__(self, root: nn.Module, graph: Graph, inputs: Sequence[Tensor], key: str) -> None:
        self.graph, self.key = graph, key
        self.mode = FakeTensorMode(allow_non_fake_inputs=True)
        self.recorder = _Recorder(root, self.mode, key, graph)
        self.recorder.args_iter = iter([self.mode.from_tensor(x) for x in inputs])
        self.last: Node | None = None

    def catch_up(self) -> None:
        """Run the nodes that are new; UserError if the model doesn't take the example."""
        with self.mode, torch.no_grad(), quiet_fake_tensors():
            node = next(iter(self.graph.nodes)) if self.last is None else self.last.next
            while node.op != "root":  # the nodes are a ring
                self.recorder.env[node] = self.recorder.run_node(node)
                self.last, node = node, node.next


def follows_sizes(node: Node, key: str) -> bool:
    """Whether what `node` gives is no tensor and follows from the shapes and types of tensors alone."""
    if node.op not in ("call_function", "call_method") or isinstance(node.meta[key], Tensor):
        return False
    sources = node.all_input_nodes
    return _reads_fact(node) or (bool(sources) and all(follows_sizes(source, key) for source in sources))


def _reads_fact(node: Node) -> bool:
    if node.op == "call_method":
        return node.target in FACT_METHODS
    return node.target in FACT_FUNCTIONS or (node.target is getattr and node.args[1] in FACTS)


def _run(module: GraphModule, inputs: Sequence[Tensor], key: str) -> None:
    with FakeTensorMode(allow_non_fake_inputs=True) as mode, torch.no_grad(), quiet_fake_tensors():
        _Recorder(module, mode, key).run(*(mode.from_tensor(x) for x in inputs))


class _Recorder(Interpreter):
    """Runs nodes on fake tensors and stores what each gives in its `meta[key]`."""

    def __init__(self, module: nn.Module, mode: FakeTensorMode, key: str, graph: Graph | None = None) -> None:
        super().__init__(module, garbage_collect_values=False, graph=graph)
        self.extra_traceback = False  # torch would add lines to the text of a UserError
        self.mode = mode
        self.key = key

    def run_node(self, n: Node) -> Any:
        try:
            value = super().run_node(n)
        except Exception as error:  # torch's kernels raise what they like
            value = self._run_on_zeros(n, error)
        n.meta[self.key] = tree_map_only(Tensor, self._fake, value)
        return n.meta[self.key]

    def call_module(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Batch normalisation keeps its input's shape; its fake kernel takes most of a network's time."""
        module = self.fetch_attr(target)
        if type(module) is nn.BatchNorm2d and args[0].dim() == 4 and module.num_features == args[0].shape[1]:
            return torch.empty_like(args[0])
        return super().call_module(target, args, kwargs)

    def _run_on_zeros(self, node: Node, error: Exception) -> Any:
        """Run a function that looks at values (torch.fx.wrap) on zeros: it can't take fake tensors."""
        with at_node(self, node):
            args, kwargs = self.fetch_args_kwargs_from_env(node)
        try:
            with unset_fake_temporarily():
                args, kwargs = tree_map_only(FakeTensor, _zeros, (args, kwargs))
                return getattr(self, node.op)(node.target, args, kwargs)
        except Exception:
            where = f"{source_of(node)} ({node.name})"
            raise UserError(
                f"the model doesn't take the example, {where}: {first_line(error)}; check its shape"
            ) from error

    def _fake(self, tensor: Tensor) -> Tensor:
        return tensor if isinstance(tensor, FakeTensor) else self.mode.from_tensor(tensor)


def _zeros(fake: FakeTensor) -> Tensor:
    return torch.zeros(fake.shape, dtype=fake.dtype, device=fake.device)
