"""torch.fx's tracer, told the example: what Python asks of sizes is answered, what it asks of pixels is refused."""

from __future__ import annotations

import contextlib
import functools
import inspect
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import CodeType
from typing import Any

from torch import Tensor, nn
from torch.fx import Node, Proxy, Tracer
from torch.fx.proxy import TraceError

from qat.ao import DeQuantStub, QuantStub
from qat.errors import UserError
from qat.graph.edit import follow_picture
from qat.graph.layer_class import torch_layer
from qat.graph.proof import plain
from qat.graph.shapes import GrowingShapes, follows_sizes, twice
from qat.graph.sized_proxy import SizedProxy
from qat.graph.source import entry, users_frame

_VALUE = "traced"
_TWICE = "traced_twice"


class SizeTracer(Tracer):
    """A tracer with source lines, in-place operators, stubs and subclasses of layers as leaves, and known sizes.

    `caller`: the code below which the user's frames are looked for.
    """

    def __init__(self, model: nn.Module, inputs: Sequence[Tensor], caller: CodeType) -> None:
        super().__init__()
        self.inputs, self.model, self.caller = inputs, model, caller
        self.entry = entry(inspect.unwrap(type(model).forward).__code__)
        self.decided: set[Node] = set()
        self._values: GrowingShapes | None = None
        self._doubled: GrowingShapes | None = None
        self._one_batch_size = False
        self._running = False
        self._took_number = False

    def value(self, node: Node) -> Any:
        """What `node` gives on the example."""
        if _VALUE not in node.meta:
            self._values = self._values or GrowingShapes(self.root, self.graph, self.inputs, _VALUE)
            self._catch_up(self._values)
        return node.meta[_VALUE]

    def decide(self, node: Node) -> Any:
        """What `node` gives, if it follows from sizes alone; TraceError for pixels and the batch size."""
        value = self.value(node)
        if not follows_sizes(node, _VALUE):
            raise TraceError("the value of a tensor isn't known while the model is traced")
        if self._twice(node, value) != value:
            raise TraceError("it changes with the batch size")
        self.decided.add(node)
        return value

    def number(self, node: Node) -> Any:
        """What `decide` gives; the settings of what is called from here on may be computed from it."""
        value = self.decide(node)
        self._took_number = True
        return value

    def length(self, node: Node) -> int:
        """The length of what `node` gives; TraceError if it changes with the batch size."""
        value = self.value(node)
        length = len(value)
        if isinstance(value, Tensor) and len(self._twice(node, value[:0])) != length:
            raise TraceError("'len' is not supported for the batch size")
        return length

    def to_bool(self, obj: Proxy) -> bool:
        """Decide an `if` on sizes."""
        value = self.value(obj.node)
        if isinstance(value, tuple | list | Mapping):
            return bool(value)
        return bool(self.decide(obj.node)) if follows_sizes(obj.node, _VALUE) else super().to_bool(obj)

    def iter(self, obj: Proxy) -> Iterator[Any]:
        """The parts of a tuple, of a size, or of a tensor along an axis that isn't the batch's."""
        value = self.value(obj.node)
        if isinstance(value, Tensor) and value.dim() and self._twice(obj.node, value[:0]).shape[0] == len(value):
            return self._parts(obj, len(value))
        if isinstance(value, tuple | list):
            return self._parts(obj, len(value))
        return super().iter(obj)

    def _parts(self, obj: Proxy, count: int) -> Iterator[Any]:
        return (self.create_proxy("call_function", operator.getitem, (obj, i), {}) for i in range(count))

    def finish(self) -> None:
        """Take out what served decisions only, and forget the values."""
        for node in reversed(self.graph.nodes):
            if node in self.decided and not node.users:
                self.decided.update(node.all_input_nodes)
                self.graph.erase_node(node)
        for node in self.graph.nodes:
            node.meta.pop(_VALUE, None)
            node.meta.pop(_TWICE, None)

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Torch's layers, subclasses that compute the same, and stubs."""
        if isinstance(m, QuantStub | DeQuantStub) or torch_layer(m):
            return True
        return super().is_leaf_module(m, module_qualified_name)

    def call_module(self, m: nn.Module, forward: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """A node for a leaf; while values are computed, the module itself."""
        return forward(*args, **kwargs) if self._running else super().call_module(m, forward, args, kwargs)

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Proxy]) -> Any:
        """A proxy for a parameter; while values are computed, the parameter itself."""
        return attr_val if self._running else super().getattr(attr, attr_val, parameter_proxy_cache)

    def proxy(self, node: Node) -> Proxy:
        """A proxy that asks this tracer."""
        return SizedProxy(node, self)

    def create_arg(self, a: Any) -> Any:
        """A proxy first: torch.fx would ask for its class."""
        return a.node if issubclass(type(a), Proxy) else super().create_arg(a)

    def create_node(self, *args: Any, **kwargs: Any) -> Node:
        """A node with the user's line, and a mark if Python may have computed its arguments from sizes."""
        node = super().create_node(*args, **kwargs)
        node.stack_trace = users_frame(self.caller) or self.entry
        if self._took_number and node.op == "call_function":
            follow_picture(node)
        return node

    def create_args_for_root(self, root_fn: Callable[..., Any], is_module: bool, concrete_args: Any = None) -> Any:
        """As many placeholders as the example has tensors."""
        names = _input_names(root_fn, len(self.inputs))
        proxies = [self.create_proxy("placeholder", name, (), {}) for name in names]
        forward = functools.wraps(root_fn)(lambda *args: plain(root_fn(*args)))  # torch.fx reads its annotations
        return forward, [self.root, *proxies]

    def _twice(self, node: Node, unknown: Any) -> Any:
        """What `node` gives on twice the batch; `unknown` for a model that takes one batch size only."""
        if _TWICE not in node.meta and not self._one_batch_size:
            self._doubled = self._doubled or GrowingShapes(self.root, self.graph, twice(self.inputs), _TWICE)
            self._one_batch_size = True  # unless the model takes it
            with contextlib.suppress(UserError):
                self._catch_up(self._doubled)
                self._one_batch_size = False
        return node.meta.get(_TWICE, unknown)

    def _catch_up(self, shapes: GrowingShapes) -> None:
        self._running = True
        try:
            shapes.catch_up()
        finally:
            self._running = False


def _input_names(forward: Callable[..., Any], count: int) -> list[str]:
    parameters = list(inspect.signature(forward).parameters.values())[1:]
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    starred = any(p.kind == p.VAR_POSITIONAL for p in parameters)
    names = [p.name for p in positional] + ([f"input_{i}" for i in range(len(positional), count)] if starred else [])
    required = sum(p.default is p.empty for p in positional)
    if not required <= count <= len(names):
        raise UserError(f"the example has {count} tensors; forward({', '.join(map(str, parameters))}) needs {required}")
    return names[:count]
