"""A model becomes a graph whose nodes know the model's source line and the shapes that the example gives."""

from __future__ import annotations

import copy
import inspect
import linecache
import operator
import traceback
from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor, nn
from torch.fx import GraphModule, Node, Proxy, Tracer

from qat.ao import DeQuantStub, QuantStub
from qat.errors import UserError
from qat.graph.shapes import mark_batch, propagate
from qat.graph.source import entry, first_line, is_users, location, users_frame

Example = Tensor | Sequence[Tensor]

_WRAP = "or move it into a function marked with torch.fx.wrap"
_ADVICE = (  # by what torch.fx's error says
    ("cannot be iterated", f"index the tensor (x[0], x[1]) or use torch.chunk instead of a loop, {_WRAP}"),
    ("control flow", f"replace the `if` or `while` on a tensor's value by torch.where, {_WRAP}"),
    ("'len' is not supported", f"replace len(x) by x.shape[0], {_WRAP}"),
    ("item assignment", f"replace the assignment into a slice by torch.cat or torch.where, {_WRAP}"),
)


def trace(model: nn.Module, example: Example) -> GraphModule:
    """The graph of `model` in eval mode, over a copy: the model itself stays as it is.

    `example`: the input tensor, or a sequence of them. Further arguments of `forward` keep their defaults. Every node
    has the model's line (`source_of`) and what it gives on the example (`node.meta["val"]`). Raises UserError, with the
    model's file and line, for a model that can't be traced or doesn't take the example.
    """
    inputs = inputs_of(example)
    copied = copy.deepcopy(model).eval()
    module = copied if isinstance(copied, GraphModule) else _symbolic(copied, len(inputs))
    _check_buffers(model, copied)
    propagate(module, inputs)
    mark_batch(module, inputs)
    return module


def inputs_of(example: Example) -> tuple[Tensor, ...]:
    """The example as a tuple of tensors."""
    return (example,) if isinstance(example, Tensor) else tuple(example)


def _symbolic(model: nn.Module, inputs: int) -> GraphModule:
    tracer = _Tracer(model, inputs)
    try:
        graph = tracer.trace(model)
    except UserError:
        raise
    except Exception as error:  # whatever the model's code raises when it meets a proxy
        raise UserError(_untraceable(model, error)) from error
    return GraphModule(tracer.root, graph, type(model).__name__)


def _check_buffers(model: nn.Module, traced: nn.Module) -> None:
    """Refuse changes of buffers: arithmetic on them runs while the model is traced, and its result is a constant."""
    after = dict(traced.named_buffers())
    changed = [name for name, value in model.named_buffers() if not _same(value, after[name])]
    if changed:
        raise UserError(
            f"{type(model).__name__}.forward changes its buffer {changed[0]}; keep such state outside forward"
        )


def _same(before: Tensor, after: Tensor) -> bool:
    return before.shape == after.shape and bool(((before == after) | (before != before)).all())


class _MutatingProxy(Proxy):
    """A proxy that keeps `x += y` in place: torch.fx's own makes it `x = x + y`, which other readers of x don't see."""

    def __iadd__(self, other: Any) -> Any:
        return self.tracer.create_proxy("call_function", operator.iadd, (self, other), {})

    def __isub__(self, other: Any) -> Any:
        return self.tracer.create_proxy("call_function", operator.isub, (self, other), {})

    def __imul__(self, other: Any) -> Any:
        return self.tracer.create_proxy("call_function", operator.imul, (self, other), {})

    def __itruediv__(self, other: Any) -> Any:
        return self.tracer.create_proxy("call_function", operator.itruediv, (self, other), {})


class _Tracer(Tracer):
    """torch.fx's tracer, with source lines, in-place operators, stubs as leaves, and as many inputs as the example."""

    def __init__(self, model: nn.Module, inputs: int) -> None:
        super().__init__()
        self.inputs = inputs
        self.entry = entry(inspect.unwrap(type(model).forward).__code__)

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, QuantStub | DeQuantStub) or super().is_leaf_module(m, module_qualified_name)

    def proxy(self, node: Node) -> Proxy:
        return _MutatingProxy(node, self)

    def create_node(self, *args: Any, **kwargs: Any) -> Node:
        node = super().create_node(*args, **kwargs)
        node.stack_trace = users_frame(_symbolic.__code__) or self.entry
        return node

    def create_args_for_root(self, root_fn: Callable[..., Any], is_module: bool, concrete_args: Any = None) -> Any:
        names = _input_names(root_fn, self.inputs)
        return root_fn, [self.root, *(self.create_proxy("placeholder", name, (), {}) for name in names)]


def _input_names(forward: Callable[..., Any], count: int) -> list[str]:
    parameters = list(inspect.signature(forward).parameters.values())[1:]
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    starred = any(p.kind == p.VAR_POSITIONAL for p in parameters)
    names = [p.name for p in positional] + ([f"input_{i}" for i in range(len(positional), count)] if starred else [])
    required = sum(p.default is p.empty for p in positional)
    if not required <= count <= len(names):
        raise UserError(f"the example has {count} tensors; forward({', '.join(map(str, parameters))}) needs {required}")
    return names[:count]


def _untraceable(model: nn.Module, error: Exception) -> str:
    text, name = first_line(error), type(model).__name__
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if is_users(frame.filename)]
    advice = next((fix for sign, fix in _ADVICE if sign in text), f"keep Python code off tensor values, {_WRAP}")
    if not frames:
        return f"{name} can't be traced by torch.fx ({text}); {advice}"
    filename, line = frames[-1].filename, frames[-1].lineno or 0
    code = linecache.getline(filename, line).strip()
    return f"{name} can't be traced, {location(filename, line)} `{code}`: {text}; {advice}"
