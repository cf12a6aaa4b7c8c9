"""The tensors of an ONNX graph being written: constants, quantised tensors in the spelling that a runtime takes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper

from qat.program.steps import Program, Quant, Step, Weight


@dataclass(frozen=True)
class Spelling:
    """How the same integers are written, since runtimes differ in what they run fast.

    `signed`: activations are int8 with zero point 0 (J5's own numbers), else uint8 with zero point 128. `relu`: float,
    a Relu before the rounding; integer, a Clip of the integers after it, for a runtime that joins a convolution with
    the rounding but not with a Relu between; unsigned, a Clip to the grid's real range, then uint8 with zero point 0.
    `ort`: forms that ONNX Runtime alone runs faster (`matrix_product`, `complement`). `padded`: a Pad before an average
    pooling, since OpenCV leaves the padding out of its mean.
    """

    signed: bool
    relu: str = "float"
    ort: bool = False
    padded: bool = False


PLAIN = Spelling(signed=True, padded=True)
ORT = Spelling(signed=False, relu="integer", ort=True)
OPENVINO = Spelling(signed=True, relu="unsigned")
SPELLINGS = {"plain": PLAIN, "ort": ORT, "openvino": OPENVINO}


@dataclass
class Values:
    """Nodes and initialisers so far; `real`, `integers`, `grids`: what the program's tensors are called."""

    program: Program
    spelling: Spelling
    opset: int
    dynamic_batch: bool = False
    nodes: list[NodeProto] = field(default_factory=list)
    initialisers: dict[str, TensorProto] = field(default_factory=dict)
    real: dict[str, str] = field(default_factory=dict)
    integers: dict[str, str] = field(default_factory=dict)
    grids: dict[str, tuple[Quant, bool]] = field(default_factory=dict)

    def before(self, step: Step) -> Step:
        """The step that `step` reads first."""
        return self.program[step.inputs[0]]

    def constant(self, name: str, value: Any) -> str:
        """An initialiser; the same name gives the same one."""
        if name not in self.initialisers:
            self.initialisers[name] = numpy_helper.from_array(np.array(value, order="C"), name)
        return name

    def number(self, value: float) -> str:
        """A float32 scalar."""
        return self.constant(f"number_{np.float32(value)}", np.float32(value))

    def node(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        """Append a node; attributes that are None are left out. Returns its output's name."""
        stated = {key: value for key, value in attributes.items() if value is not None}
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **stated))
        return output

    def grid(self, quant: Quant, signed: bool) -> list[str]:
        """Scale and zero point, shared by all tensors on this grid."""
        kind, zero = (np.int8, quant.zero_point - 128) if signed else (np.uint8, quant.zero_point)
        scale = self.constant(f"scale_{np.float32(quant.scale)}", np.float32(quant.scale))
        return [scale, self.constant(f"zero_point_{np.dtype(kind).name}_{zero}", np.array(zero, kind))]

    def quantised(self, name: str, value: str, quant: Quant, signed: bool) -> None:
        """Round the float tensor `value`; the readers of `name` read the result."""
        self.give(name, self.rounded(name, value, quant, signed), quant, signed)

    def rounded(self, name: str, value: str, quant: Quant, signed: bool) -> str:
        """The integers of the float tensor `value`."""
        integers = self.node("QuantizeLinear", [value, *self.grid(quant, signed)], f"{name}_quantized")
        return self._limited(integers, quant, signed)

    def give(self, name: str, integers: str, quant: Quant, signed: bool) -> None:
        """Let the readers of `name` read `integers` on their grid."""
        self.integers[name], self.grids[name] = integers, (quant, signed)
        output = "image_dequantized" if name == "image" else name  # the file's input has that name
        self.real[name] = self.node("DequantizeLinear", [integers, *self.grid(quant, signed)], output)

    def _limited(self, rounded: str, quant: Quant, signed: bool) -> str:
        """Clip to the levels in use where those are fewer than 256 (reduce_range)."""
        kind, offset = (np.int8, 128) if signed else (np.uint8, 0)
        if quant.high == 255:
            return rounded
        limits = [self.constant(f"level_{np.dtype(kind).name}_{q}", kind(q - offset)) for q in (quant.low, quant.high)]
        return self.node("Clip", [rounded, *limits], f"{rounded}_limited")

    def rectified(self, name: str, value: str, quant: Quant) -> None:
        """The same after a ReLU, which the spelling places."""
        signed = self.spelling.signed
        if self.spelling.relu == "float" or quant.zero_point == quant.low:
            self.quantised(name, self.node("Relu", [value], f"{name}_relu"), quant, signed)
        elif self.spelling.relu == "integer":
            grid = self.grid(quant, signed)
            limited = self.rounded(name, value, quant, signed)
            self.give(name, self.node("Clip", [limited, grid[1]], f"{name}_rectified"), quant, signed)
        else:
            clipped = self.node("Clip", [value, self.number(0), self.number(quant.range[1])], f"{name}_relu")
            self.quantised(name, clipped, replace(quant, zero_point=0, low=0, high=255), signed=False)

    def scaled(self, name: str, integers: np.ndarray, scales: np.ndarray, axis: int = 0) -> str:
        """A constant of integers behind a DequantizeLinear, one scale per index of `axis`, or one in all."""
        whole = len(scales) == 1
        grid = [
            self.constant(f"{name}_scale", scales[0] if whole else scales),
            self.constant(f"{name}_zero_point", np.zeros([] if whole else len(scales), integers.dtype)),
        ]
        stored = self.constant(f"{name}_quantized", integers)
        return self.node("DequantizeLinear", [stored, *grid], name, axis=None if whole else axis)

    def weight(self, name: str, weight: Weight, source: Quant | None) -> list[str]:
        """The names of a layer's weight and, if it has one, bias; `source`: the grid of what the layer reads."""
        if weight.scales is None:
            value = self.constant(f"{name}.weight", weight.values)
        else:
            value = self.scaled(f"{name}.weight", weight.values, weight.scales)
        return [value, *self._bias(f"{name}.bias", weight, source)]

    def _bias(self, name: str, weight: Weight, source: Quant | None) -> list[str]:
        """int32 on the grid of the products, as kernels add it; float where a factor is float or it would not fit."""
        if weight.bias is None:
            return []
        if source is None or weight.scales is None:
            return [self.constant(name, weight.bias)]
        scales = np.float32(source.scale) * weight.scales
        with np.errstate(divide="ignore", invalid="ignore"):  # a gain of 0 has a scale of 0, and its bias no level
            levels = np.round(weight.bias.astype(np.float64) / scales)
        if not (np.abs(levels) <= np.iinfo(np.int32).max).all():
            return [self.constant(name, weight.bias)]
        return [self.scaled(name, levels.astype(np.int32), scales)]
