"""Each operation of a program as ONNX nodes: a table."""

from __future__ import annotations

from typing import Any

from qat.compile.onnx.elementwise import Emit, arithmetic, clamp, hardswish, leaky_relu, scale_shift, softmax
from qat.compile.onnx.layers import batch_norm, conv2d, conv_transpose2d, linear, prelu
from qat.compile.onnx.pooling import adaptive_avg_pool2d, avg_pool2d, max_pool2d
from qat.compile.onnx.resize import interpolate
from qat.compile.onnx.shapes import permute, pixel_shuffle, pixel_unshuffle, reduce, repeat, reshape
from qat.compile.onnx.values import Values
from qat.errors import UserError
from qat.program.steps import Step


def emit(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """Write `step`, which reads the tensors called `inputs`; returns the name of what it gives.

    UserError, with the model's line, for an operation that has no ONNX form here.
    """
    if step.op not in OPS:
        raise UserError(f"{step.source}: {step.op} ({step.name}) can't be written to ONNX; known: {', '.join(OPS)}")
    return OPS[step.op](values, step, inputs, output)


def node(kind: str, *settings: str, **fixed: Any) -> Emit:
    """An operation that is one ONNX node; `settings` are the step's attributes that keep their names."""

    def write(values: Values, step: Step, inputs: list[str], output: str) -> str:
        return values.node(kind, inputs, output, **fixed, **{key: step.attributes[key] for key in settings})

    return write


def cat(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """Concat, of floats."""
    return values.node("Concat", inputs, output, axis=step.attributes["dim"])


def same(values: Values, step: Step, inputs: list[str], output: str) -> str:
    """Nothing but the rounding behind it."""
    return inputs[0]


OPS: dict[str, Emit] = {
    "conv2d": conv2d,
    "conv_transpose2d": conv_transpose2d,
    "linear": linear,
    "batch_norm": batch_norm,
    "prelu": prelu,
    "add": arithmetic("Add"),
    "sub": arithmetic("Sub"),
    "mul": arithmetic("Mul"),
    "matmul": node("MatMul"),
    "scale_shift": scale_shift,
    "quantise": same,
    "relu": node("Relu"),
    "relu6": clamp,
    "hardtanh": clamp,
    "clamp": clamp,
    "leaky_relu": leaky_relu,
    "elu": node("Elu", "alpha"),
    "hardswish": hardswish,
    "hardsigmoid": node("HardSigmoid", alpha=1 / 6, beta=0.5),
    "sigmoid": node("Sigmoid"),
    "tanh": node("Tanh"),
    "softmax": softmax,
    "cat": cat,
    "sum": reduce("ReduceSum", 13),
    "mean": reduce("ReduceMean", 18),
    "avg_pool2d": avg_pool2d,
    "max_pool2d": max_pool2d,
    "adaptive_avg_pool2d": adaptive_avg_pool2d,
    "interpolate": interpolate,
    "pixel_shuffle": pixel_shuffle,
    "pixel_unshuffle": pixel_unshuffle,
    "reshape": reshape,
    "flatten": reshape,
    "squeeze": reshape,
    "unsqueeze": reshape,
    "permute": permute,
    "transpose": permute,
    "repeat": repeat,
}
