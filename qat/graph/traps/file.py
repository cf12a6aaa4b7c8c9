"""An ONNX file as traps look at it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, TypeProto, helper, numpy_helper, shape_inference

STANDARD = ("", "ai.onnx")


@dataclass(frozen=True)
class FileView:
    """A file's graph. `newest`: the newest operator set that its consumer reads; None: any."""

    model: ModelProto
    newest: int | None = None

    @property
    def opset(self) -> int:
        """The version of ONNX's own operators."""
        return max((one.version for one in self.model.opset_import if one.domain in STANDARD), default=0)

    @property
    def is_own(self) -> bool:
        """Whether this project wrote it: held against torch, and its several outputs are copies for their names."""
        return self.model.producer_name == "rtseg-qat"

    @cached_property
    def all_nodes(self) -> list[NodeProto]:
        """Every node, those of branches and loops too."""
        return [*_every(self.model.graph)]

    def nodes(self, *ops: str) -> Iterator[NodeProto]:
        """The nodes of these operators."""
        return (node for node in self.all_nodes if node.op_type in ops)

    @cached_property
    def makers(self) -> dict[str, NodeProto]:
        """The node that gives a value."""
        return {name: node for node in self.all_nodes for name in node.output if name}

    def maker(self, name: str) -> str:
        """The operator that gives a value; empty for inputs and constants."""
        return self.makers[name].op_type if name in self.makers else ""

    @cached_property
    def constants(self) -> dict[str, NDArray[Any]]:
        """Initialisers, and what Constant nodes give."""
        found = {one.name: numpy_helper.to_array(one) for one in self.model.graph.initializer}
        for node in self.nodes("Constant"):
            given = {one.name: one for one in node.attribute}
            if "value" in given:
                found[node.output[0]] = numpy_helper.to_array(given["value"].t)
            else:
                found[node.output[0]] = np.array(_numbers(node))
        return found

    @cached_property
    def types(self) -> dict[str, TypeProto.Tensor]:
        """Type and shape of values, as far as they can be inferred."""
        graph = self.model.graph
        with contextlib.suppress(Exception):  # an operator set newer than the package, more than 2 GB, damage
            graph = shape_inference.infer_shapes(self.model).graph
        named = (*graph.input, *graph.value_info, *graph.output)
        return {one.name: one.type.tensor_type for one in named if one.type.HasField("tensor_type")}

    def rank(self, name: str) -> int | None:
        """The number of axes of a value; None for what is no tensor of floats or of unknown rank."""
        kind = self.types.get(name)
        floats = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE)
        known = kind is not None and kind.HasField("shape") and kind.elem_type in floats
        return len(kind.shape.dim) if known and kind is not None else None

    def sides(self, name: str) -> tuple[int, ...]:
        """Height and width of a value; () where they aren't known."""
        kind = self.types.get(name)
        sizes = tuple(dim.dim_value for dim in kind.shape.dim[2:]) if kind is not None else ()
        return sizes if all(sizes) else ()

    @cached_property
    def inputs(self) -> list[str]:
        """The names of what it takes."""
        held = {one.name for one in self.model.graph.initializer}
        return [one.name for one in self.model.graph.input if one.name not in held]

    @cached_property
    def outputs(self) -> list[str]:
        """The names of what it gives."""
        return [one.name for one in self.model.graph.output]


def place_of(node: NodeProto) -> str:
    """A node's operator and name."""
    return f"{node.op_type}, node {node.name or next(iter(node.output), '?')}"


def attribute(node: NodeProto, name: str, default: Any = None) -> Any:
    """A node's attribute, text decoded."""
    for one in node.attribute:
        if one.name == name:
            value = helper.get_attribute_value(one)
            return value.decode() if isinstance(value, bytes) else value
    return default


def _every(graph: GraphProto) -> Iterator[NodeProto]:
    for node in graph.node:
        yield node
        for one in node.attribute:
            if one.HasField("g"):
                yield from _every(one.g)


def _numbers(node: NodeProto) -> Any:
    names = ("value_float", "value_floats", "value_int", "value_ints")
    return next((value for name in names if (value := attribute(node, name)) is not None), [])
