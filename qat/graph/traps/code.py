"""Traps of the model's own code: branches, assignments, functions with a symbolic of their own."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator
from typing import Any

import torch
from onnx import defs
from torch import nn

from qat.graph.source import location
from qat.graph.traps.file import STANDARD, FileView, place_of
from qat.graph.traps.network import NetworkView
from qat.graph.traps.trap import Sighting, Trap


def _branches(view: NetworkView) -> Iterator[Sighting]:
    if "control flow" in view.error:
        yield type(view.module).__name__, view.error


def _branches_in_file(view: FileView) -> Iterator[Sighting]:
    for node in view.nodes("If", "Loop", "Scan"):
        yield place_of(node), "which nodes run is decided while it runs"


DATA_BRANCH = Trap(
    "data_branch",
    "an exporter keeps the branch that its example took, and few runtimes take If or Loop",
    "torch.where for an `if` on values; for one on sizes, export once a size",
    _branches,
    _branches_in_file,
)


def _assignments(view: NetworkView) -> Iterator[Sighting]:
    if "item assignment" in view.error:
        yield type(view.module).__name__, view.error


def _assignments_in_file(view: FileView) -> Iterator[Sighting]:
    for node in view.nodes("ScatterND", "ScatterElements", "Scatter"):
        yield place_of(node), "values are written into a tensor"


SLICE_ASSIGNMENT = Trap(
    "slice_assignment",
    "x[...] = y becomes ScatterND, which most converters refuse",
    "torch.cat of the parts gives the same",
    _assignments,
    _assignments_in_file,
)


def _unknown(view: NetworkView) -> Iterator[Sighting]:
    for place, name, written in symbolics(view.module):
        strange = [op for op in written if not is_operator(op)]
        if strange:
            yield place, f"{name}.symbolic writes the operator {strange[0]}"


def _unknown_in_file(view: FileView) -> Iterator[Sighting]:
    local = {(one.domain, one.name) for one in view.model.functions}
    for node in view.all_nodes:
        ours = (node.domain, node.op_type) in local
        if not ours and (node.domain not in STANDARD or not is_operator(node.op_type, view.opset)):
            yield place_of(node), f"{node.domain or 'ai.onnx'}::{node.op_type} isn't one of ONNX's operators"


CUSTOM_OPERATOR = Trap(
    "custom_operator",
    "the file names an operator that no runtime knows, and none loads it",
    "write the function with torch's own operations, without a symbolic, or keep it outside the network",
    _unknown,
    _unknown_in_file,
    severity="error",
)


def _copies(view: NetworkView) -> Iterator[Sighting]:
    for place, name, written in symbolics(view.module):
        if set(written) <= {"Identity"}:
            yield place, f"{name}.symbolic gives what it reads"


def _copies_in_file(view: FileView) -> Iterator[Sighting]:
    for name in () if view.is_own else view.outputs:
        if view.maker(name) == "Identity" and view.rank(name) is not None:
            yield f"output {name}", f"a copy (Identity) of {view.makers[name].input[0]}, in floats"


DROPPED_FUNCTION = Trap(
    "dropped_function",
    "the file leaves the function out: it gives logits where torch gives classes (BiSeNet's argmax)",
    "call the function itself (torch.argmax), without a symbolic, or take the classes outside; compare file and torch",
    _copies,
    _copies_in_file,
)


def is_operator(name: str, opset: int = 2**31 - 1) -> bool:
    """Whether ONNX has an operator called `name` in an operator set.

    >>> is_operator("ArgMax"), is_operator("CustomArgmax"), is_operator("mine::ArgMax")
    (True, False, False)
    """
    domain, _, bare = name.rpartition("::")
    return domain in (*STANDARD, "onnx") and bool(defs.has(bare, opset))


def symbolics(model: nn.Module) -> Iterator[tuple[str, str, list[str]]]:
    """Each autograd function with a symbolic that a forward names: source line, name, operators that it writes."""
    seen: set[type] = set()
    for module in model.modules():
        forward = inspect.unwrap(type(module).forward)
        names, known = getattr(forward, "__code__", None), getattr(forward, "__globals__", {})
        for function in (known.get(name) for name in (names.co_names if names else ())):
            if isinstance(function, type) and _has_symbolic(function) and function not in seen:
                seen.add(function)
                code = function.symbolic.__code__  # type: ignore[attr-defined]
                yield location(code.co_filename, code.co_firstlineno), function.__name__, _written(function)


def _has_symbolic(kind: type) -> bool:
    return issubclass(kind, torch.autograd.Function) and inspect.isfunction(getattr(kind, "symbolic", None))


class _Recorder:
    """Takes the place of the exporter's graph."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def op(self, name: str, *given: Any, **settings: Any) -> _Recorder:
        """Note the operator."""
        self.names.append(name)
        return self


def _written(function: Any) -> list[str]:
    recorder = _Recorder()
    inputs = [object()] * (len(inspect.signature(function.symbolic).parameters) - 1)
    with contextlib.suppress(Exception):  # a symbolic may ask what only an exporter knows
        function.symbolic(recorder, *inputs)
    return recorder.names
