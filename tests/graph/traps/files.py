"""For each trap the nodes of an ONNX file that falls into it, and of the mended file."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from tests.graph.traps.models import SHAPE

CONSTANTS = {
    "starts": np.array([0, 0]),
    "ends": np.array([16, 24]),
    "axes": np.array([2, 3]),
    "ones": np.array([1, 1]),
    "steps": np.array([2, 2]),
    "places": np.zeros((1, 4), np.int64),
    "scales": np.array([1, 1, 2, 2], np.float32),
    "one": np.float32(1),
    "grid": np.ones((1, 1, 16, 24), np.float32),
    "channels": np.ones((1, 4, 1, 1), np.float32),
    "norm": np.ones(4, np.float32),
    "row": np.zeros((1, 16, 24), np.float32),
    "yes": np.array(True),
}


def node(op: str, inputs: str, output: str = "y", **settings: Any) -> NodeProto:
    """A node; `inputs`: names, - for one that is left out."""
    return helper.make_node(
        op, ["" if name == "-" else name for name in inputs.split()], output.split(), op, **settings
    )


def file(*nodes: NodeProto, opset: int = 17, kind: int = TensorProto.FLOAT) -> ModelProto:
    """A file with these nodes, from `x` to `y`."""
    image = helper.make_tensor_value_info("x", TensorProto.FLOAT, SHAPE)
    constants = [numpy_helper.from_array(np.asarray(value), name) for name, value in CONSTANTS.items()]
    output = helper.make_tensor_value_info("y", kind, None)
    graph = helper.make_graph([*nodes], "graph", [image], [output], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset), helper.make_opsetid("mine", 1)])


def _branch() -> NodeProto:
    def part(op: str) -> Any:
        return helper.make_graph([node(op, "x", "z")], op, [], [helper.make_tensor_value_info("z", 1, SHAPE)])

    return node("If", "yes", then_branch=part("Relu"), else_branch=part("Neg"))


def _pool(kernel: tuple[int, int], stride: tuple[int, int]) -> NodeProto:
    return node("AveragePool", "x", kernel_shape=kernel, strides=stride)


LINEAR = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
CORNERS = {"mode": "linear", "coordinate_transformation_mode": "align_corners"}
RELU = file(node("Relu", "x"))
NORM = "a norm norm norm norm"

FILES: dict[str, tuple[ModelProto, ModelProto]] = {  # trapped, mended
    "data_branch": (file(_branch()), file(node("Where", "yes x x"))),
    "slice_assignment": (file(node("ScatterND", "x places row")), file(node("Concat", "x x", axis=1))),
    "custom_operator": (file(node("CustomArgmax", "x")), RELU),
    "dropped_function": (
        file(node("Relu", "x", "a"), node("Identity", "a")),
        file(node("Relu", "x", "a"), node("ArgMax", "a", axis=1), kind=TensorProto.INT64),
    ),
    "strided_slice": (
        file(node("Slice", "x starts ends axes steps")),
        file(node("Slice", "x starts ends axes ones")),
    ),
    "computed_resize": (
        file(node("Shape", "x", "size"), node("Resize", "x - - size", **LINEAR)),
        file(node("Resize", "x - scales", **LINEAR)),
    ),
    "rank": (file(node("ReduceMean", "x", axes=[1], keepdims=0)), file(node("ReduceMean", "x", axes=[1], keepdims=1))),
    "adaptive_pooling": (file(_pool((6, 4), (2, 4))), file(_pool((4, 4), (3, 4)))),
    "align_corners": (
        file(node("Resize", "x - scales", **CORNERS)),
        file(node("Resize", "x - scales", **LINEAR)),
    ),
    "processing_inside": (file(node("Sub", "x one", "a"), node("Relu", "a")), RELU),
    "synced_norm": (
        file(node("Relu", "x", "a"), node("BatchNormalization", NORM, "y m v", training_mode=1)),
        file(node("Relu", "x", "a"), node("BatchNormalization", NORM)),
    ),
    "plain_tensors": (
        file(node("Relu", "x", "a"), node("Mul", "a grid")),
        file(node("Relu", "x", "a"), node("Mul", "a channels")),
    ),
    "activation": (
        file(node("Sigmoid", "x", "a"), node("Mul", "x a")),
        file(node("HardSwish", "x")),
    ),
}
