"""Nodes whose weights are constants become torch's layers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from qat.models.onnx.step import Maker, Step
from qat.models.onnx.windows import symmetric

Arrays = Sequence[NDArray[np.generic] | None]


def _tensor(array: NDArray[np.generic]) -> Tensor:
    return torch.from_numpy(np.array(array, np.float32))


def _fill(layer: nn.Module, **values: NDArray[np.generic] | None) -> nn.Module:
    """Sets the layer's weights and statistics."""
    with torch.no_grad():
        for name, value in values.items():
            if value is not None:
                getattr(layer, name).copy_(_tensor(value))
    return layer


def _convolution(step: Step, arrays: Arrays) -> nn.Module | None:
    weight, bias = arrays[1], arrays[2] if len(arrays) > 2 else None
    if weight is None or (len(arrays) > 2 and bias is None):
        return None
    if weight.ndim != 4:
        step.refuse(f"over {weight.ndim - 2} axes")
    groups = step.get("group", 1)
    layer = nn.Conv2d(
        weight.shape[1] * groups,
        weight.shape[0],
        weight.shape[2:],
        step.get("strides", 1),
        symmetric(step, weight.shape[2:]) or 0,
        step.get("dilations", 1),
        groups,
        bias is not None,
    )
    return _fill(layer, weight=weight, bias=bias)


def _transposed(step: Step, arrays: Arrays) -> nn.Module | None:
    weight, bias = arrays[1], arrays[2] if len(arrays) > 2 else None
    if weight is None or (len(arrays) > 2 and bias is None):
        return None
    padding = symmetric(step, weight.shape[2:])
    if weight.ndim != 4 or padding is None or "output_shape" in step.attributes:
        step.refuse("with such padding or output_shape")
    groups = step.get("group", 1)
    layer = nn.ConvTranspose2d(
        weight.shape[0],
        weight.shape[1] * groups,
        weight.shape[2:],
        step.get("strides", 1),
        padding,
        step.get("output_padding", 0),
        groups,
        bias is not None,
        step.get("dilations", 1),
    )
    return _fill(layer, weight=weight, bias=bias)


def _batch_norm(step: Step, arrays: Arrays) -> nn.Module | None:
    _, weight, bias, mean, var = arrays[:5]
    if weight is None or bias is None or mean is None or var is None or step.get("training_mode", 0):
        step.refuse("in training mode")
    layer = nn.BatchNorm2d(len(weight), step.get("epsilon", 1e-5))
    return _fill(layer, weight=weight, bias=bias, running_mean=mean, running_var=var)


def _layer_norm(step: Step, arrays: Arrays) -> nn.Module | None:
    weight, bias = arrays[1], arrays[2] if len(arrays) > 2 else None
    if weight is None:
        return None
    layer = nn.LayerNorm(weight.shape, step.get("epsilon", 1e-5), bias=bias is not None)
    return _fill(layer, weight=weight, bias=bias)


def _prelu(step: Step, arrays: Arrays) -> nn.Module | None:
    slope = arrays[1]
    if slope is None:
        return None
    return _fill(nn.PReLU(slope.size), weight=slope.reshape(-1))


def _matmul(step: Step, arrays: Arrays) -> nn.Module | None:
    weight = arrays[1]
    if weight is None or weight.ndim != 2:
        return None
    return _fill(nn.Linear(weight.shape[0], weight.shape[1], bias=False), weight=weight.T)


def _gemm(step: Step, arrays: Arrays) -> nn.Module | None:
    weight, bias = arrays[1], arrays[2] if len(arrays) > 2 else None
    if weight is None or step.get("transA", 0) or (len(arrays) > 2 and bias is None):
        return None
    weight = np.asarray(weight if step.get("transB", 0) else weight.T, np.float32) * step.get("alpha", 1.0)
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias is not None)
    scaled = None if bias is None else np.broadcast_to(bias, weight.shape[:1]) * step.get("beta", 1.0)
    return _fill(layer, weight=weight, bias=scaled)


MAKERS: dict[str, Maker] = {
    "Conv": _convolution,
    "ConvTranspose": _transposed,
    "BatchNormalization": _batch_norm,
    "LayerNormalization": _layer_norm,
    "PRelu": _prelu,
    "MatMul": _matmul,
    "Gemm": _gemm,
}
