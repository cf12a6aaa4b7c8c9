"""A model becomes a graph whose nodes know the model's source line and the shapes that the example gives."""

from __future__ import annotations

import copy
import linecache
import traceback
from collections.abc import Sequence

from torch import Tensor, nn
from torch.fx import GraphModule

from qat.errors import UserError
from qat.graph.attention import open_attention
from qat.graph.layer_class import become_torch_layers
from qat.graph.shapes import mark_batch, propagate
from qat.graph.size_tracer import SizeTracer
from qat.graph.sized_proxy import seen_as_values
from qat.graph.source import first_line, is_users, location

Example = Tensor | Sequence[Tensor]

_WRAP = "or move it into a function marked with torch.fx.wrap"
_ADVICE = (  # by what the error says
    (
        "batch size",
        "a graph takes every batch size: use x.shape[0] in the tensor's methods, not in Python code",
    ),
    ("cannot be iterated", f"index the tensor (x[0], x[1]) or use torch.chunk instead of a loop, {_WRAP}"),
    (
        "control flow",
        f"replace the `if` or `while` on a tensor's value by torch.where, {_WRAP} (export trap data_branch)",
    ),
    ("'len' is not supported", f"replace len(x) by x.shape[0], {_WRAP}"),
    (
        "item assignment",
        f"replace the assignment into a slice by torch.cat or torch.where, {_WRAP} (export trap slice_assignment)",
    ),
)


def trace(model: nn.Module, example: Example, whole_attention: bool = False) -> GraphModule:
    """The graph of `model` in eval mode, over a copy: the model itself stays as it is.

    `example`: the input tensor, or a sequence of them. Further arguments of `forward` keep their defaults. Every node
    has the model's line (`source_of`) and what it gives on the example (`node.meta["val"]`). Raises UserError, with the
    model's file and line, for a model that can't be traced or doesn't take the example.

    `whole_attention`: nn.MultiheadAttention stays a layer, as a device that has it takes it.
    """
    inputs = inputs_of(example)
    copied = copy.deepcopy(model).eval()
    if not (whole_attention or isinstance(copied, GraphModule)):
        open_attention(copied)
    module = copied if isinstance(copied, GraphModule) else _symbolic(copied, inputs)
    _check_buffers(model, copied)
    propagate(module, inputs)
    mark_batch(module, inputs)
    return module


def inputs_of(example: Example) -> tuple[Tensor, ...]:
    """The example as a tuple of tensors."""
    return (example,) if isinstance(example, Tensor) else tuple(example)


def _symbolic(model: nn.Module, inputs: tuple[Tensor, ...]) -> GraphModule:
    tracer = SizeTracer(model, inputs, _symbolic.__code__)
    try:
        with seen_as_values():
            graph = tracer.trace(model)
    except UserError:
        raise
    except Exception as error:  # whatever the model's code raises when it meets a proxy
        raise UserError(_untraceable(model, error)) from error
    tracer.finish()
    become_torch_layers(model)
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


def _untraceable(model: nn.Module, error: Exception) -> str:
    text, name = first_line(error), type(model).__name__
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if is_users(frame.filename)]
    advice = next((fix for sign, fix in _ADVICE if sign in text), f"keep Python code off tensor values, {_WRAP}")
    if not frames:
        return f"{name} can't be traced by torch.fx ({text}); {advice}"
    filename, line = frames[-1].filename, frames[-1].lineno or 0
    code = linecache.getline(filename, line).strip()
    if code.startswith(("assert", "raise")):
        advice = "the model itself refuses the example: check its shape"
    return f"{name} can't be traced, {location(filename, line)} `{code}`: {text}; {advice}"
