"""The network of an ONNX file: a module whose forward runs the file's nodes, traced like any other."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto
from torch import Tensor, nn

from qat.errors import UserError, as_user_error
from qat.models.onnx.file import InputSpec, constants_of, input_of, opset_of, read_model, shown
from qat.models.onnx.functions import FUNCTIONS
from qat.models.onnx.layers import MAKERS
from qat.models.onnx.patterns import joined
from qat.models.onnx.shapes import SHAPES, TUPLES
from qat.models.onnx.step import Constant, Row, Step, Value, tensor
from qat.models.onnx.windows import convolution_input

ROWS: dict[str, Row] = {**FUNCTIONS, **SHAPES}
KNOWN = frozenset({*ROWS, *MAKERS})


def read_network(path: str | Path) -> OnnxNetwork:
    """The network of a float ONNX file.

    Args:
        path: of a `.onnx` file with one input, a float32 picture (N, C, H, W); N, H and W may be symbolic.

    Returns:
        A module, (N, C, H, W) -> the file's output, or a dictionary of its outputs by name. Its layers have the
        nodes' names.

    Raises:
        UserError: for a file that can't be read or is quantised already, a custom operator, one that isn't converted,
            and more than one input.
    """
    file = Path(path).expanduser()
    with as_user_error(f"MODEL.NAME {file} can't be read as ONNX", "export it again"):  # damage leads anywhere
        return OnnxNetwork(read_model(file), file)


class OnnxNetwork(nn.Module):
    """A float ONNX file, whose nodes are torch's layers and functions.

    `input`: the picture that the file takes; sizes that it fixes hold here too, but for the number of pictures.
    """

    def __init__(self, model: ModelProto, path: Path) -> None:
        super().__init__()
        self.path = path
        self.input: InputSpec = input_of(model, path)
        self.outputs = tuple(output.name for output in model.graph.output)
        arrays = constants_of(model)
        _check(model, path)
        names = _names(model)
        opset = opset_of(model)
        steps = [
            _step(node, name, opset, self.input.batch, path) for node, name in zip(model.graph.node, names, strict=True)
        ]
        self.layers: set[str] = set()
        self.steps = [self._with_layer(step, arrays) for step in joined(steps, arrays, self.outputs)]
        read = {name for step in self.steps for name in step.inputs}
        self.held: dict[str, str] = {}
        self.arrays = {name: array for name, array in arrays.items() if name in read}
        for name, array in self.arrays.items():
            self._hold(name, array)
        self.eval()

    def _with_layer(self, step: Step, arrays: Mapping[str, NDArray[np.generic]]) -> Step:
        """Makes the step's layer, which has its weights, if it is one."""
        layer = _layer(step, arrays)
        if layer is None:
            return step
        self.add_module(step.name, layer)
        self.layers.add(step.name)
        return replace(step, inputs=step.inputs[:1])

    def _hold(self, name: str, array: NDArray[np.generic]) -> None:
        """Keeps a constant as a buffer, if tensors may be computed with it."""
        if array.size == 1 or array.dtype.kind not in "fiu":
            return
        held = _attribute(name, {*self.held.values(), *self.layers})
        self.held[name] = held
        value = np.array(array, np.float32 if array.dtype.kind == "f" else np.int64)
        self.register_buffer(held, torch.from_numpy(value), persistent=array.dtype.kind == "f")

    def forward(self, picture: Tensor) -> Any:
        """Runs the nodes in the file's order."""
        self._check_size(picture)
        values: dict[str, Value] = {self.input.name: picture, "": None}
        for place, step in enumerate(self.steps, 1):
            inputs = [values[name] if name in values else self._constant(name) for name in step.inputs]
            given = _run(step.place, place, functools.partial(self._compute, step, inputs))
            outputs = given if step.op in TUPLES else (given,)
            values.update(zip(step.outputs, outputs, strict=False))
        found = {name: values[name] for name in self.outputs}
        return found if len(found) > 1 else found[self.outputs[0]]

    def _compute(self, step: Step, inputs: list[Value]) -> Value:
        if step.name not in self.layers:
            return ROWS[step.op](step, *inputs)
        layer = getattr(self, step.name)
        x = tensor(step, inputs[0])
        return layer(convolution_input(step, x, layer.kernel_size) if step.op == "Conv" else x)

    def _constant(self, name: str) -> Constant:
        held = self.held.get(name)
        return Constant(self.arrays[name], None if held is None else getattr(self, held))

    def _check_size(self, picture: Tensor) -> None:
        for axis, wanted in ((2, self.input.height), (3, self.input.width)):
            if wanted is not None and picture.shape[axis] != wanted:
                height, width = picture.shape[2:]
                fixed = f"{self.input.width or 'any'}x{self.input.height or 'any'}"
                raise UserError(
                    f"MODEL.NAME {self.path} takes pictures of {fixed} alone, not {int(width)}x{int(height)}; set "
                    f"TEST.IMAGE_SIZE {self.input.width or int(width)},{self.input.height or int(height)}, or export "
                    "it with dynamic axes"
                )


def _check(model: ModelProto, path: Path) -> None:
    for node in model.graph.node:
        if node.op_type not in KNOWN:
            raise UserError(
                f"MODEL.NAME {path} has an operator that isn't converted ({shown(node)}); give the network's code "
                "(MODEL.NAME path/net.py:function)"
            )


def _names(model: ModelProto) -> list[str]:
    """A name for each node that a module's attribute can have."""
    taken = {*dir(nn.Module()), "steps", "input", "outputs", "held", "arrays", "path"}
    names = []
    for node in model.graph.node:
        name = _attribute(node.name or node.output[0], taken)
        taken.add(name)
        names.append(name)
    return names


def _attribute(text: str, taken: set[str]) -> str:
    name = re.sub(r"\W+", "_", text, flags=re.ASCII).strip("_") or "node"
    name = f"_{name}" if name[0].isdigit() else name
    return (
        name
        if name not in taken
        else next(f"{name}_{i}" for i in range(1, len(taken) + 2) if f"{name}_{i}" not in taken)
    )


def _step(node: NodeProto, name: str, opset: int, batch: int | None, path: Path) -> Step:
    attributes = {attribute.name: _plain(attribute) for attribute in node.attribute}
    place = f"{path.name}, node {node.name or node.output[0]}"
    return Step(node.op_type, name, (*node.input,), (*node.output,), attributes, opset, batch, place)


def _plain(attribute: onnx.AttributeProto) -> Any:
    value = onnx.helper.get_attribute_value(attribute)
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, onnx.TensorProto):
        return onnx.numpy_helper.to_array(value)
    return list(value) if attribute.type in (attribute.INTS, attribute.FLOATS) else value


def _layer(step: Step, arrays: Mapping[str, NDArray[np.generic]]) -> nn.Module | None:
    make = MAKERS.get(step.op)
    if make is None or step.inputs[0] in arrays:
        return None
    layer = make(step, [arrays.get(name) for name in step.inputs])
    if layer is None and step.op not in ROWS:
        step.refuse("with weights that are computed")
    return layer


def _run(place: str, line: int, action: Callable[[], Value]) -> Value:
    """Runs `action` under the node's place, which then is the source line of what it traces."""
    return eval(_code(place, line), {"action": action})


@functools.cache
def _code(place: str, line: int) -> Any:
    return compile("\n" * (line - 1) + "action()", place, "eval")
