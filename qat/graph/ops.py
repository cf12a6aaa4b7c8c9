"""One name for the many spellings of an operation: `x + y`, `torch.add(x, y)` and `x.add_(y)` are all `add`."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from qat.ao import DeQuantStub, QuantStub

REQUIRED = object()  # the default of a parameter that has none


@dataclass(frozen=True)
class Op:
    """An operation: its parameters in torch's order (name -> default), and how it is spelled.

    A module's parameters are its attributes of the same name; its inputs come first.
    """

    name: str
    parameters: Mapping[str, Any]
    functions: tuple[Callable[..., Any], ...] = ()
    methods: tuple[str, ...] = ()
    modules: tuple[type[nn.Module], ...] = ()


_IN = {"input": REQUIRED}
_TWO = {"input": REQUIRED, "other": REQUIRED}
_SCALED = {**_TWO, "alpha": 1}
_INPLACE = {"inplace": False}
_ACTIVATION = {**_IN, **_INPLACE}
_REDUCE = {**_IN, "dim": None, "keepdim": False}
_CONV = {**_IN, "weight": None, "bias": None, "stride": 1, "padding": 0}
_DILATED = {**_CONV, "dilation": 1, "groups": 1}
_TRANSPOSED = {**_CONV, "output_padding": 0, "groups": 1, "dilation": 1}
_POOL = {**_IN, "kernel_size": REQUIRED, "stride": None, "padding": 0}
_AVG_POOL = {**_POOL, "ceil_mode": False, "count_include_pad": True, "divisor_override": None}
_MAX_POOL = {**_POOL, "dilation": 1, "ceil_mode": False, "return_indices": False}
_ADAPTIVE = {**_IN, "output_size": REQUIRED}
_RESIZE = {**_IN, "size": None, "scale_factor": None, "mode": "nearest", "align_corners": None}
_INTERPOLATE = {**_RESIZE, "recompute_scale_factor": None, "antialias": False}
_SAMPLE = {**_IN, "grid": REQUIRED, "mode": "bilinear", "padding_mode": "zeros", "align_corners": None}
_PADS = (nn.ZeroPad2d, nn.ConstantPad2d, nn.ReplicationPad2d)

OPS = (
    Op("conv2d", _DILATED, (F.conv2d,), (), (nn.Conv2d,)),
    Op("conv_transpose2d", _TRANSPOSED, (F.conv_transpose2d,), (), (nn.ConvTranspose2d,)),
    Op("linear", {**_IN, "weight": None, "bias": None}, (F.linear,), (), (nn.Linear,)),
    Op("batch_norm", _IN, (F.batch_norm,), (), (nn.BatchNorm2d,)),
    Op("layer_norm", _IN, (F.layer_norm,), (), (nn.LayerNorm,)),
    Op("relu", _ACTIVATION, (F.relu, torch.relu, torch.relu_), ("relu", "relu_"), (nn.ReLU,)),
    Op("relu6", _ACTIVATION, (F.relu6,), (), (nn.ReLU6,)),
    Op("leaky_relu", {**_IN, "negative_slope": 0.01, **_INPLACE}, (F.leaky_relu,), (), (nn.LeakyReLU,)),
    Op("elu", {**_IN, "alpha": 1.0, **_INPLACE}, (F.elu,), (), (nn.ELU,)),
    Op("prelu", _IN, (F.prelu,), (), (nn.PReLU,)),
    Op("hardswish", _ACTIVATION, (F.hardswish,), (), (nn.Hardswish,)),
    Op("hardsigmoid", _ACTIVATION, (F.hardsigmoid,), (), (nn.Hardsigmoid,)),
    Op("hardtanh", {**_IN, "min_val": -1.0, "max_val": 1.0, **_INPLACE}, (F.hardtanh,), (), (nn.Hardtanh,)),
    Op("clamp", {**_IN, "min": None, "max": None}, (torch.clamp, torch.clip), ("clamp", "clamp_", "clip")),
    Op("sigmoid", _IN, (torch.sigmoid, torch.sigmoid_), ("sigmoid", "sigmoid_"), (nn.Sigmoid,)),
    Op("tanh", _IN, (torch.tanh, torch.tanh_), ("tanh", "tanh_"), (nn.Tanh,)),
    Op("exp", _IN, (torch.exp,), ("exp",)),
    Op("log", _IN, (torch.log,), ("log",)),
    Op("sqrt", _IN, (torch.sqrt,), ("sqrt",)),
    Op("abs", _IN, (torch.abs, operator.abs), ("abs",)),
    Op("pow", _TWO, (torch.pow, operator.pow), ("pow",)),
    Op("silu", _ACTIVATION, (F.silu,), (), (nn.SiLU,)),
    Op("gelu", _IN, (F.gelu,), (), (nn.GELU,)),
    Op("softmax", {**_IN, "dim": None}, (F.softmax, torch.softmax), ("softmax",), (nn.Softmax,)),
    Op("add", _SCALED, (operator.add, operator.iadd, torch.add), ("add", "add_")),
    Op("sub", _SCALED, (operator.sub, operator.isub, torch.sub), ("sub", "sub_")),
    Op("rsub", _SCALED, (torch.rsub,)),
    Op("mul", _TWO, (operator.mul, operator.imul, torch.mul), ("mul", "mul_")),
    Op("div", _TWO, (operator.truediv, operator.itruediv, torch.div), ("div", "div_")),
    Op("neg", _IN, (operator.neg, torch.neg), ("neg",)),
    Op("maximum", _TWO, (torch.maximum,), ("maximum",)),
    Op("minimum", _TWO, (torch.minimum,), ("minimum",)),
    Op("matmul", _TWO, (torch.matmul, operator.matmul, torch.bmm), ("matmul", "bmm")),
    Op("cat", {"tensors": REQUIRED, "dim": 0}, (torch.cat, torch.concat)),
    Op("stack", {"tensors": REQUIRED, "dim": 0}, (torch.stack,)),
    Op("sum", _REDUCE, (torch.sum,), ("sum",)),
    Op("mean", _REDUCE, (torch.mean,), ("mean",)),
    Op("amax", _REDUCE, (torch.amax,), ("amax",)),
    Op("amin", _REDUCE, (torch.amin,), ("amin",)),
    Op("argmax", _REDUCE, (torch.argmax,), ("argmax",)),
    Op("max", _REDUCE, (torch.max,), ("max",)),
    Op("avg_pool2d", _AVG_POOL, (F.avg_pool2d,), (), (nn.AvgPool2d,)),
    Op("max_pool2d", _MAX_POOL, (F.max_pool2d, torch.max_pool2d), (), (nn.MaxPool2d,)),
    Op("adaptive_avg_pool2d", _ADAPTIVE, (F.adaptive_avg_pool2d,), (), (nn.AdaptiveAvgPool2d,)),
    Op(
        "adaptive_max_pool2d",
        {**_ADAPTIVE, "return_indices": False},
        (F.adaptive_max_pool2d,),
        (),
        (nn.AdaptiveMaxPool2d,),
    ),
    Op("interpolate", _INTERPOLATE, (F.interpolate,), (), (nn.Upsample,)),
    Op("grid_sample", _SAMPLE, (F.grid_sample,)),
    Op("pad", {**_IN, "pad": REQUIRED, "mode": "constant", "value": None}, (F.pad,)),
    Op("pad_layer", {**_IN, "padding": REQUIRED}, (), (), _PADS),
    Op("pad_reflect", {**_IN, "padding": REQUIRED}, (), (), (nn.ReflectionPad2d,)),
    Op("pixel_shuffle", {**_IN, "upscale_factor": REQUIRED}, (F.pixel_shuffle,), (), (nn.PixelShuffle,)),
    Op("pixel_unshuffle", {**_IN, "downscale_factor": REQUIRED}, (F.pixel_unshuffle,), (), (nn.PixelUnshuffle,)),
    Op("squeeze", {**_IN, "dim": None}, (torch.squeeze,), ("squeeze",)),
    Op("unsqueeze", {**_IN, "dim": REQUIRED}, (torch.unsqueeze,), ("unsqueeze",)),
    Op("reshape", {**_IN, "shape": REQUIRED}, (torch.reshape,), ("reshape", "view")),
    Op("flatten", {**_IN, "start_dim": 0, "end_dim": -1}, (torch.flatten,), ("flatten",), (nn.Flatten,)),
    Op("permute", {**_IN, "dims": REQUIRED}, (torch.permute,), ("permute",)),
    Op("transpose", {**_IN, "dim0": REQUIRED, "dim1": REQUIRED}, (torch.transpose,), ("transpose",)),
    Op("getitem", {**_IN, "index": REQUIRED}, (operator.getitem,)),
    Op("chunk", {**_IN, "chunks": REQUIRED, "dim": 0}, (torch.chunk,), ("chunk",)),
    Op("split", {**_IN, "split_size": REQUIRED, "dim": 0}, (torch.split,), ("split",)),
    Op("expand", {**_IN, "size": REQUIRED}, (), ("expand",)),
    Op("repeat", {**_IN, "size": REQUIRED}, (), ("repeat",)),
    Op("contiguous", _IN, (), ("contiguous",)),
    Op("detach", _IN, (torch.detach,), ("detach",)),
    Op("dropout", {**_IN, "p": 0.5, "training": True}, (F.dropout, F.dropout2d), (), (nn.Dropout, nn.Dropout2d)),
    Op("identity", _IN, (), (), (nn.Identity,)),
    Op("quant_stub", _IN, (), (), (QuantStub,)),
    Op("dequant_stub", _IN, (), (), (DeQuantStub,)),
)


BY_FUNCTION = {function: op for op in OPS for function in op.functions}
BY_METHOD = {method: op for op in OPS for method in op.methods}
BY_MODULE = {module: op for op in OPS for module in op.modules}
VARIADIC = ("reshape", "permute", "expand", "repeat")  # x.permute(0, 2, 3, 1) is x.permute((0, 2, 3, 1))
