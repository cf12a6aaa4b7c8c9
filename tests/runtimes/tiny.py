"""One small network of PIDNet's ops, written twice from the same numbers: as ONNX, float or QDQ, and in torch."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch.nn import functional

SHAPE = (1, 3, 32, 48)
STEP = 0.5  # of the logits' grid
U8, S8 = (np.uint8, 128), (np.int8, 0)


def picture(count: int = 1) -> np.ndarray:
    return np.random.default_rng(7).normal(size=(count, *SHAPE[1:])).astype(np.float32)


def weights(index: int, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(int8 values of 7 bits, so that no CPU's 16-bit sums saturate; scales; bias)"""
    numbers = np.random.default_rng(index)
    values = numbers.integers(-63, 64, shape).astype(np.int8)
    scales = (numbers.uniform(0.5, 1.5, shape[0]) / 63 * 2 / np.sqrt(np.prod(shape[1:]))).astype(np.float32)
    return values, scales, numbers.normal(size=shape[0]).astype(np.float32) * 0.2


def network(ops: Any, x: Any) -> Any:
    """Logits (N, 5, 16, 24), a grid of STEP where `ops` quantises."""
    x = ops.grid(x, 0.03)
    stem = ops.grid(ops.conv(x, 1, (8, 3, 3, 3), stride=2), 0.05)
    block = ops.grid(ops.conv(stem, 2, (8, 8, 3, 3)), 0.05)
    block = ops.grid(ops.relu(ops.add(block, stem)), 0.08)
    context = ops.grid(ops.pool(block), 0.08)
    context = ops.grid(ops.resize(context), 0.08)
    gate = ops.grid(ops.sigmoid(ops.grid(ops.conv(context, 3, (8, 8, 1, 1)), 0.05)), 1 / 127)
    gated = ops.grid(ops.mul(gate, block), 0.08)
    both = ops.cat(gated, context, 0.08)
    return ops.grid(ops.conv(both, 4, (5, 16, 1, 1), spread=8), STEP)


class Torch:
    """The network's ops in torch; grids round when `quantised`."""

    def __init__(self, quantised: bool) -> None:
        self.quantised = quantised

    def grid(self, x: torch.Tensor, scale: float) -> torch.Tensor:
        return torch.fake_quantize_per_tensor_affine(x, scale, 0, -128, 127) if self.quantised else x

    def conv(
        self, x: torch.Tensor, index: int, shape: tuple[int, ...], stride: int = 1, spread: int = 1
    ) -> torch.Tensor:
        values, scales, bias = (torch.from_numpy(part) for part in weights(index, shape))
        real = values * (scales * spread).reshape(-1, 1, 1, 1)
        return functional.conv2d(x, real, bias, stride=stride, padding=shape[2] // 2)

    relu, sigmoid, add, mul = torch.relu, torch.sigmoid, torch.add, torch.mul

    def pool(self, x: torch.Tensor) -> torch.Tensor:
        return functional.avg_pool2d(x, 5, 2, 2)

    def resize(self, x: torch.Tensor) -> torch.Tensor:
        return functional.interpolate(x, (16, 24), mode="bilinear", align_corners=False)

    def cat(self, x: torch.Tensor, y: torch.Tensor, scale: float) -> torch.Tensor:
        return self.grid(torch.cat((x, y), 1), scale)


class Onnx:
    """The network's ops as ONNX nodes; `spelling`: None for float, U8 or S8."""

    def __init__(self, spelling: tuple[Any, int] | None) -> None:
        self.spelling, self.nodes, self.constants = spelling, [], []

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        name = f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name, **attributes))
        return name

    def constant(self, value: Any) -> str:
        self.constants.append(numpy_helper.from_array(np.asarray(value), f"constant_{len(self.constants)}"))
        return self.constants[-1].name

    def grid(self, x: str, scale: float) -> str:
        if self.spelling is None:
            return x
        grid = self.grid_of(scale)
        return self.node("DequantizeLinear", self.node("QuantizeLinear", x, *grid), *grid)

    def grid_of(self, scale: float) -> tuple[str, str]:
        kind, zero = self.spelling or S8
        return self.constant(np.float32(scale)), self.constant(kind(zero))

    def conv(self, x: str, index: int, shape: tuple[int, ...], stride: int = 1, spread: int = 1) -> str:
        values, scales, bias = weights(index, shape)
        scales = scales * np.float32(spread)
        if self.spelling is None:
            weight = self.constant(values * scales.reshape(-1, 1, 1, 1))
        else:
            grid = self.constant(scales), self.constant(np.zeros(len(scales), np.int8))
            weight = self.node("DequantizeLinear", self.constant(values), *grid, axis=0)
        pads = [shape[2] // 2] * 4
        return self.node(
            "Conv", x, weight, self.constant(bias), pads=pads, strides=[stride] * 2, kernel_shape=shape[2:]
        )

    def relu(self, x: str) -> str:
        return self.node("Relu", x)

    def sigmoid(self, x: str) -> str:
        return self.node("Sigmoid", x)

    def add(self, x: str, y: str) -> str:
        return self.node("Add", x, y)

    def mul(self, x: str, y: str) -> str:
        return self.node("Mul", x, y)

    def pool(self, x: str) -> str:
        """Pad apart: OpenCV's classic engine doesn't count an average pooling's own padding."""
        padded = self.node("Pad", x, self.constant(np.array([0, 0, 2, 2, 0, 0, 2, 2])), mode="constant")
        return self.node("AveragePool", padded, kernel_shape=[5, 5], strides=[2, 2])

    def resize(self, x: str) -> str:
        how = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
        return self.node("Resize", x, "", self.constant(np.array([1, 1, 2, 2], np.float32)), **how)

    def cat(self, x: str, y: str, scale: float) -> str:
        """On the integers: OpenVINO 2026.4 loses the sign of a concatenation of dequantised s8 tensors."""
        if self.spelling is None:
            return self.node("Concat", x, y, axis=1)
        grid = self.grid_of(scale)
        integers = [self.node("QuantizeLinear", part, *grid) for part in (x, y)]
        return self.node("DequantizeLinear", self.node("Concat", *integers, axis=1), *grid)


def expected(x: np.ndarray, quantised: bool) -> np.ndarray:
    """The logits of pictures `x`, in torch."""
    return network(Torch(quantised), torch.from_numpy(x)).numpy()


def write_onnx(path: Path, spelling: tuple[Any, int] | None = None, batch: int | str = 1) -> Path:
    ops = Onnx(spelling)
    ops.nodes.append(helper.make_node("Identity", [network(ops, "image")], ["logits"]))
    graph = helper.make_graph(
        ops.nodes,
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [batch, *SHAPE[1:]])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [batch, 5, 16, 24])],
        ops.constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)
    return path


class Module(torch.nn.Module):
    """The float network for torch.jit."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return network(Torch(False), x)


def write_torchscript(path: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", torch.jit.TracerWarning)  # the weights are meant to be constants
        torch.jit.save(torch.jit.trace(Module(), torch.from_numpy(picture())), str(path))
    return path
