"""Reads an ONNX file and refuses what is no float network of one picture: each mistake is one line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, NodeProto, TensorProto

from qat.errors import UserError, quoted, reason

DOMAINS = ("", "ai.onnx")
OLDEST = 7  # operator set: older ones broadcast by an attribute
_QUANTISED = ("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "ConvInteger", "MatMulInteger")
_ADVICE = "give the network's code (MODEL.NAME path/net.py:function)"


@dataclass(frozen=True)
class InputSpec:
    """The picture that a file takes. `batch`, `height`, `width`: None where the file leaves them open."""

    name: str
    batch: int | None
    channels: int
    height: int | None
    width: int | None


def read_model(path: Path) -> ModelProto:
    """Reads a float file, its local functions written out; UserError for any other."""
    try:
        model = onnx.load(path)
    except FileNotFoundError as error:
        raise UserError(f"MODEL.NAME {path}: there is no such file (or its external data); expected .onnx") from error
    except Exception as error:  # protobuf, external data and the system each have their own
        text = quoted(reason(str(error))) or type(error).__name__
        raise UserError(f"MODEL.NAME {path} can't be read as ONNX ({text}); export it again") from error
    if not model.graph.node:
        raise UserError(f"MODEL.NAME {path} holds no graph; expected a float ONNX file")
    if model.functions:
        model = _without_functions(model, path)
    check_operators(model, path)
    return model


def _without_functions(model: ModelProto, path: Path) -> ModelProto:
    from onnx import inliner

    try:
        return inliner.inline_local_functions(model)
    except Exception as error:
        raise UserError(
            f"MODEL.NAME {path}: its functions can't be written out ({quoted(reason(str(error)))})"
        ) from error


def check_operators(model: ModelProto, path: Path) -> None:
    """Raises UserError for a quantised file, an operator of somebody's own, half precision, an old operator set."""
    for node in nodes_of(model.graph):
        if node.op_type in _QUANTISED or node.op_type.startswith("QLinear"):
            raise UserError(
                f"MODEL.NAME {path} is quantised already ({shown(node)}); expected the float file that it was made from"
            )
    for node in nodes_of(model.graph):
        if node.domain not in DOMAINS:
            raise UserError(f"MODEL.NAME {path} has the custom operator {node.domain}::{shown(node)}; {_ADVICE}")
    opset = opset_of(model)
    if opset < OLDEST:
        raise UserError(f"MODEL.NAME {path} has operator set {opset}; expected at least {OLDEST}: export it again")
    half = [one.name for one in model.graph.initializer if one.data_type in (TensorProto.FLOAT16, TensorProto.BFLOAT16)]
    if half:
        raise UserError(f"MODEL.NAME {path} has 16-bit weights ({half[0]}); export it in float32")


def nodes_of(graph: GraphProto) -> Iterator[NodeProto]:
    """Every node, those of branches and loops too."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from nodes_of(attribute.g)


def opset_of(model: ModelProto) -> int:
    """The version of ONNX's own operators."""
    return max((one.version for one in model.opset_import if one.domain in DOMAINS), default=0)


def shown(node: NodeProto) -> str:
    """A node's operator and name, as messages show it."""
    return f"{node.op_type}, node {node.name or node.output[0]}"


def input_of(model: ModelProto, path: Path) -> InputSpec:
    """The file's one input, a float picture (N, C, H, W)."""
    constants = {one.name for one in model.graph.initializer}
    inputs = [one for one in model.graph.input if one.name not in constants]
    if len(inputs) != 1:
        names = ", ".join(one.name for one in inputs) or "none"
        raise UserError(f"MODEL.NAME {path} has {len(inputs)} inputs ({names}); expected one picture (N, C, H, W)")
    kind = inputs[0].type.tensor_type
    sizes = [dim.dim_value if dim.dim_value > 0 else None for dim in kind.shape.dim]
    if kind.elem_type != TensorProto.FLOAT or len(sizes) != 4 or sizes[1] is None:
        written = [dim.dim_param or dim.dim_value or "?" for dim in kind.shape.dim]
        kind_name = TensorProto.DataType.Name(kind.elem_type).lower()
        raise UserError(
            f"MODEL.NAME {path}: its input {inputs[0].name} is {kind_name} ({', '.join(map(str, written))}); expected "
            "float (N, C, H, W) with a fixed C"
        )
    return InputSpec(inputs[0].name, sizes[0], sizes[1], sizes[2], sizes[3])


def constants_of(model: ModelProto) -> dict[str, NDArray[np.generic]]:
    """The file's constants by name, what nodes compute from them alone included; such nodes leave the graph.

    Needs what `check_operators` let pass.
    """
    found = {one.name: onnx.numpy_helper.to_array(one) for one in model.graph.initializer}
    left: list[NodeProto] = []
    for node in model.graph.node:
        known = all(name in found for name in node.input if name)
        values = _computed(node, found, model) if known and not _has_graph(node) else None
        if values is None:
            left.append(node)
        else:
            found.update(values)
    del model.graph.node[:]
    model.graph.node.extend(left)
    return found


def _has_graph(node: NodeProto) -> bool:
    return any(attribute.type == onnx.AttributeProto.GRAPH for attribute in node.attribute)


def _computed(
    node: NodeProto, found: dict[str, NDArray[np.generic]], model: ModelProto
) -> dict[str, NDArray[np.generic]] | None:
    """What the node gives by ONNX's reference; None where that has no such operator."""
    from onnx.reference import ReferenceEvaluator

    names = [name for name in dict.fromkeys(node.input) if name]
    kinds = [onnx.helper.np_dtype_to_tensor_dtype(found[name].dtype) for name in names]
    inputs = [onnx.helper.make_tensor_value_info(*pair, None) for pair in zip(names, kinds, strict=True)]
    outputs = [onnx.helper.make_empty_tensor_value_info(name) for name in node.output if name]
    graph = onnx.helper.make_graph([node], "constant", inputs, outputs)
    try:
        alone = onnx.helper.make_model(graph, opset_imports=model.opset_import)
        values = ReferenceEvaluator(alone).run(None, {name: found[name] for name in names})
    except Exception:  # the node is run by torch then, or refused by name
        return None
    return {one.name: np.asarray(value) for one, value in zip(outputs, values, strict=True)}
