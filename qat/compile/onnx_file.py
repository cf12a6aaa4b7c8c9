"""Any ONNX file as it lies: read, and told in words."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, shape_inference

from qat.errors import UserError, quoted

Shape = tuple[int | str, ...]


@dataclass(frozen=True)
class Layer:
    """A layer: its name, what it computes, its output's shape, its parameters and multiply-accumulates of one run."""

    name: str
    op: str
    shape: str = ""
    parameters: int = 0
    macs: int = 0


@dataclass(frozen=True)
class Shown:
    """What a network or a file is: `facts` in words by name; inputs and outputs with type and shape by name."""

    title: str
    facts: Mapping[str, str]
    inputs: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    layers: tuple[Layer, ...] = ()

    @property
    def parameters(self) -> int:
        """Of all layers."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def macs(self) -> int:
        """Of all layers."""
        return sum(layer.macs for layer in self.layers)


def open_onnx(path: str | Path) -> ModelProto:
    """Reads an ONNX file; UserError for another file, or a damaged one."""
    try:
        model = onnx.load(path)
    except FileNotFoundError as error:
        raise UserError(f"there is no file {path}, or its external data is missing; expected .onnx") from error
    except Exception as error:  # protobuf, external data and the system each have their own
        line = quoted(str(error).strip().split("\n")[0]) or type(error).__name__
        raise UserError(f"{path} can't be read as ONNX ({line}); export it again") from error
    if not model.graph.node:
        raise UserError(f"{path} holds no graph; expected an ONNX file")
    return model


def opset_of(model: ModelProto) -> int:
    """The operator set of ONNX's own operators."""
    return next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 1)


def described(values: Iterable[onnx.ValueInfoProto]) -> dict[str, str]:
    """Type and shape by name, such as `float32 (N, 3, 64, 128)`; ? for a side that the file leaves open."""
    return {value.name: _described(value.type.tensor_type) for value in values}


def _described(kind: onnx.TypeProto.Tensor) -> str:
    name = helper.tensor_dtype_to_np_dtype(kind.elem_type).name if kind.elem_type else "?"
    return f"{name} {_text(_shape(kind))}"


def _shape(kind: onnx.TypeProto.Tensor) -> Shape:
    open_sides = (part.dim_param.startswith("unk__") for part in kind.shape.dim)
    pairs = zip(kind.shape.dim, open_sides, strict=True)
    return tuple("?" if unknown else part.dim_param or part.dim_value or "?" for part, unknown in pairs)


def _text(shape: Shape) -> str:
    return f"({', '.join(map(str, shape))})"


def show_onnx(path: str | Path) -> Shown:
    """What an ONNX file is: its ends, layers, operator set, how it is quantised, and what it says of itself."""
    model = open_onnx(path)
    graph = _inferred(model).graph
    arrays = {one.name: tuple(one.dims) for one in graph.initializer}
    arrays |= {node.output[0]: _constant(node) for node in graph.node if node.op_type == "Constant"}
    shapes: dict[str, Shape] = {
        value.name: _shape(value.type.tensor_type) for value in (*graph.input, *graph.value_info, *graph.output)
    }
    sources = {name: node for node in graph.node for name in node.output}
    inner = [node for node in graph.node if node.op_type != "Constant"]
    layers = tuple(_layer(node, shapes, arrays, sources) for node in inner)
    inputs = [value for value in graph.input if value.name not in arrays]
    return Shown(str(path), _facts(model), described(inputs), described(graph.output), _once(layers))


def _once(layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """The layers without the constants' QuantizeLinear and DequantizeLinear, which belong to others."""
    return tuple(layer for layer in layers if layer.op not in ("QuantizeLinear", "DequantizeLinear"))


def _inferred(model: ModelProto) -> ModelProto:
    try:
        return shape_inference.infer_shapes(model)
    except Exception:  # operators of other domains, or a damaged shape: then shapes stay open
        return model


def _constant(node: NodeProto) -> tuple[int, ...]:
    value = next((attribute.t for attribute in node.attribute if attribute.name == "value"), None)
    return tuple(value.dims) if value is not None else ()


def _layer(
    node: NodeProto,
    shapes: Mapping[str, Shape],
    arrays: Mapping[str, tuple[int, ...]],
    sources: Mapping[str, NodeProto],
) -> Layer:
    held = [_held(name, arrays, sources) for name in node.input]
    weights = [shape for shape in held if shape]
    output = shapes.get(node.output[0], ())
    parameters = sum(size for shape in weights if (size := math.prod(shape)) > 1) if node.op_type in _WEIGHTED else 0
    return Layer(
        name=node.name or node.output[0],
        op=node.op_type if node.domain in ("", "ai.onnx") else f"{node.domain}.{node.op_type}",
        shape=_text(output) if output else "",
        parameters=parameters,
        macs=_macs(node, output, shapes.get(node.input[0], ()) if node.input else (), weights),
    )


_WEIGHTED = (
    *(
        "Conv",
        "ConvTranspose",
        "Gemm",
        "MatMul",
        "Add",
        "BatchNormalization",
        "PRelu",
        "LayerNormalization",
        "QLinearConv",
    ),
)


def _held(name: str, arrays: Mapping[str, tuple[int, ...]], sources: Mapping[str, NodeProto]) -> tuple[int, ...]:
    """The shape of a constant that an input is, or is dequantised from; () for a computed one."""
    while name not in arrays and name in sources and sources[name].op_type in ("DequantizeLinear", "QuantizeLinear"):
        name = sources[name].input[0]
    return arrays.get(name, ())


def _macs(node: NodeProto, output: Shape, source: Shape, weights: Sequence[tuple[int, ...]]) -> int:
    """Multiply-accumulates; a side that is open counts as 1."""
    if not weights or node.op_type not in ("Conv", "ConvTranspose", "Gemm", "MatMul"):
        return 0
    inner = weights[0]
    if node.op_type == "Conv":
        return _count(output) * math.prod(inner[1:])
    if node.op_type == "ConvTranspose":
        return _count(source) * math.prod(inner[1:])
    turned = any(attribute.name == "transB" and attribute.i for attribute in node.attribute)
    return _count(output) * (inner[1] if turned else inner[0 if len(inner) < 2 else -2])


def _count(shape: Shape) -> int:
    return math.prod(side if isinstance(side, int) else 1 for side in shape)


def _facts(model: ModelProto) -> dict[str, str]:
    maker = f"{model.producer_name} {model.producer_version}".strip()
    facts = {"operator set": str(opset_of(model)), "written by": maker or "nobody who says so"}
    others = sorted({entry.domain for entry in model.opset_import} - {"", "ai.onnx"})
    facts |= {"other domains": ", ".join(others)} if others else {}
    facts["quantised"] = _quantised(model)
    return facts | {entry.key: entry.value for entry in model.metadata_props}


def _quantised(model: ModelProto) -> str:
    """How, in words: QDQ or operators on integers, and the types of the integers."""
    count = Counter(node.op_type for node in model.graph.node)
    pairs, fused = count["QuantizeLinear"] + count["DequantizeLinear"], count["QLinearConv"] + count["ConvInteger"]
    if not pairs and not fused:
        return "no"
    points = {one.name: one.data_type for one in model.graph.initializer}
    zero = {node.input[2] for node in model.graph.node if node.op_type == "QuantizeLinear" and len(node.input) > 2}
    kinds = sorted({TensorProto.DataType.Name(points[name]).lower() for name in zero if name in points})
    form = "operators on integers" if fused else f"QDQ, {count['QuantizeLinear']} quantised tensors"
    return f"{form} ({', '.join(kinds) or 'uint8'})"
