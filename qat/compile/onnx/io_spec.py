"""A file's input and output: normalised float or raw uint8 RGB; logits, full-size logits or classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from onnx import TensorProto, ValueInfoProto, helper

from qat.compile.onnx.resize import resize
from qat.compile.onnx.values import Values
from qat.program.steps import Step

ELEMENT = {"float": TensorProto.FLOAT, "uint8": TensorProto.UINT8}


@dataclass(frozen=True)
class IOSpec:
    """`source`: float, normalised; or uint8, RGB of 0 .. 255. `result`: logits (N, classes, h, w) as the network gives;
    upsampled, to the input's size; or argmax, the class of each pixel, `classes` (N, H, W) int64.

    `mean` and `std`: of RGB / 255, used for uint8.
    """

    source: str = "float"
    result: str = "logits"
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)
    align_corners: bool = True

    @property
    def gain(self) -> np.ndarray:
        """The factor of raw pixels, (1, channels, 1, 1) float32."""
        return np.asarray(1 / (255 * np.array(self.std, np.float64)), np.float32).reshape(1, -1, 1, 1)

    @property
    def shift(self) -> np.ndarray:
        """The number that is added then, (1, channels, 1, 1) float32."""
        return np.asarray(-np.array(self.mean, np.float64) / np.array(self.std), np.float32).reshape(1, -1, 1, 1)


def start(values: Values, io: IOSpec) -> str:
    """The name of the normalised picture.

    Raw pixels are normalised before the first convolution, whose zero padding then stands for the mean colour, as in
    training; folding mean and std into its weights would pad with black.
    """
    if io.source == "float":
        return "image"
    real = values.node("Cast", ["image"], "image_real", to=TensorProto.FLOAT)
    scaled = values.node("Mul", [real, values.constant("image_gain", io.gain)], "image_scaled")
    return values.node("Add", [scaled, values.constant("image_shift", io.shift)], "image_normalised")


def numbered(count: int) -> list[str]:
    """The names of several outputs.

    >>> numbered(2)
    ['out0', 'out1']
    """
    return [f"out{at}" for at in range(count)]


def finish(values: Values, last: Sequence[Step], io: IOSpec) -> list[ValueInfoProto]:
    """Write the heads; returns the file's output, whose name is `logits` or `classes`, or its several outputs."""
    if len(last) == 1:
        return [_head(values, last[0], io)]
    named = zip(numbered(len(last)), last, strict=True)
    return [
        _output(values, values.node("Identity", [values.real[step.name]], name), step.shape) for name, step in named
    ]


def _output(values: Values, name: str, shape: Sequence[int], kind: int = TensorProto.FLOAT) -> ValueInfoProto:
    batch = "N" if values.dynamic_batch else None
    return helper.make_tensor_value_info(name, kind, [batch, *shape[1:]])


def _head(values: Values, last: Step, io: IOSpec) -> ValueInfoProto:
    image = values.program.steps[0].shape
    name, shape = values.real[last.name], list(last.shape)
    if io.result != "logits":
        shape = [*last.shape[:2], *image[2:]]
        name = resize(values, [name], "upsampled", last.shape, tuple(shape), align_corners=io.align_corners)
    if io.result == "argmax":
        values.node("ArgMax", [name], "classes", axis=1, keepdims=0)
        return _output(values, "classes", [shape[0], *shape[2:]], TensorProto.INT64)
    _rename(values, name, "logits")
    return _output(values, "logits", shape)


def _rename(values: Values, old: str, new: str) -> None:
    for node in values.nodes:
        for names in (node.input, node.output):
            names[:] = [new if name == old else name for name in names]
