"""One name for the many spellings of an operation: `x + y`, `torch.add(x, y)` and `x.add_(y)` are all `add`."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import nn

from qat.ao import DeQuantStub, QuantStub

REQUIRED = object()  # the default of a parameter that has none


@dataclass(frozen=True)
class Op:
    """An operation: its parameters in torch's order (name -> default), how it is spelled, and its traits.

    A module's parameters are its attributes of the same name; its inputs come first. Who needs to know which operations
    are of a kind asks for the trait:

    `variadic`: its second parameter may be spread: x.permute(0, 2, 3, 1) is x.permute((0, 2, 3, 1)).
    `elementwise`: it works value by value; with one tensor among its operands the shape doesn't matter.
    `homogeneous`: f(s x, s y) = s f(x, y) for a factor s > 0 per channel.
    `reduces`: it leaves one value of an axis, or of several.
    `reshapes`: it gives its input's values in their order under another shape.
    `moves`: it gives some of its inputs' values and no others: on tensors of one grid it moves integers.
    `resampling`: it averages values of one tensor, which an int8 kernel does on the integers of that tensor's grid.
    `bounds`: the lowest and the highest value that it can give; its int8 grid is fixed by them.
    `idle`: in eval mode it gives what it reads.
    `settings`: attributes of its modules beside the parameters, which decide whether a target has it.
    `weight`: how a layer's weight is stored: "int8"; "float", which multiplies but isn't rounded; "" without one.
    """

    name: str
    parameters: Mapping[str, Any]
    functions: tuple[Callable[..., Any], ...] = ()
    methods: tuple[str, ...] = ()
    modules: tuple[type[nn.Module], ...] = ()
    variadic: bool = False
    elementwise: bool = False
    homogeneous: bool = False
    reduces: bool = False
    reshapes: bool = False
    moves: bool = False
    resampling: bool = False
    bounds: tuple[float, float] | None = None
    idle: bool = False
    weight: Literal["", "int8", "float"] = ""
    settings: tuple[str, ...] = ()

    @property
    def operands(self) -> int:
        """How many tensors it works on, where that is one or two."""
        return 2 if "other" in self.parameters else 1


_IN = {"input": REQUIRED}
_TWO = {"input": REQUIRED, "other": REQUIRED}
_SCALED = {**_TWO, "alpha": 1}
_INPLACE = {"inplace": False}
_ACTIVATION = {**_IN, **_INPLACE}
_NORM = {**_IN, "p": "fro", "dim": None, "keepdim": False}
_REDUCE = {**_IN, "dim": None, "keepdim": False}
_CONV = {**_IN, "weight": None, "bias": None, "stride": 1, "padding": 0}
_DILATED = {**_CONV, "dilation": 1, "groups": 1}
_TRANSPOSED = {**_CONV, "output_padding": 0, "groups": 1, "dilation": 1}
_POOL = {**_IN, "kernel_size": REQUIRED, "stride": None, "padding": 0}
_AVG_POOL = {**_POOL, "ceil_mode": False, "count_include_pad": True, "divisor_override": None}
_MAX_POOL = {**_POOL, "dilation": 1, "ceil_mode": False, "return_indices": False}
_ADAPTIVE = {**_IN, "output_size": REQUIRED}
_ADAPTIVE_MAX = {**_ADAPTIVE, "return_indices": False}
_RESIZE = {**_IN, "size": None, "scale_factor": None, "mode": "nearest", "align_corners": None}
_INTERPOLATE = {**_RESIZE, "recompute_scale_factor": None, "antialias": False}
_SAMPLE = {**_IN, "grid": REQUIRED, "mode": "bilinear", "padding_mode": "zeros", "align_corners": None}
_HARDTANH = {**_IN, "min_val": -1.0, "max_val": 1.0, **_INPLACE}
_CLAMP = {**_IN, "min": None, "max": None}
_DROPOUT = {**_IN, "p": 0.5, "training": True}
_PADS = (nn.ZeroPad2d, nn.ConstantPad2d)
_AFFINE = {"weight": None, "bias": None}
_LAYER_NORM = {**_IN, "normalized_shape": REQUIRED, **_AFFINE, "eps": 1e-5}
_RMS_NORM = {**_IN, "normalized_shape": REQUIRED, "weight": None, "eps": None}
_GROUP_NORM = {**_IN, "num_groups": REQUIRED, **_AFFINE, "eps": 1e-5}
_STATISTICS = {**_IN, "running_mean": None, "running_var": None}
_INSTANCE_NORM = {**_STATISTICS, **_AFFINE, "use_input_stats": True, "momentum": 0.1, "eps": 1e-5}
_UNFLATTEN = {**_IN, "dim": REQUIRED, "sizes": REQUIRED}
_SWAP = {**_IN, "dim0": REQUIRED, "dim1": REQUIRED}
_NARROW = {**_IN, "dim": REQUIRED, "start": REQUIRED, "length": REQUIRED}
_SPLIT = {**_IN, "split_size": REQUIRED, "dim": 0}
_SECTIONS = {**_IN, "indices_or_sections": REQUIRED, "dim": 0}
_INTERLEAVE = {**_IN, "repeats": REQUIRED, "dim": None}
_JOIN = {"tensors": REQUIRED, "dim": 0}
_UNPOOL = {**_IN, "indices": REQUIRED, "kernel_size": REQUIRED, "stride": None, "padding": 0, "output_size": None}
_ATTENTION = {"query": REQUIRED, "key": REQUIRED, "value": REQUIRED, "attn_mask": None, "dropout_p": 0.0}
_SCALED_ATTENTION = {**_ATTENTION, "is_causal": False, "scale": None, "enable_gqa": False}

_layer = partial(Op, weight="int8")
_each = partial(Op, elementwise=True)
_even = partial(Op, elementwise=True, homogeneous=True)
_unit = partial(Op, bounds=(0.0, 1.0))
_reduction = partial(Op, reduces=True)
_homogeneous = partial(Op, homogeneous=True)
_resampling = partial(Op, homogeneous=True, resampling=True)
_reshape = partial(Op, reshapes=True, moves=True)
_move = partial(Op, moves=True)
_idle = partial(Op, idle=True)

OPS = (
    _layer("conv2d", _DILATED, (F.conv2d,), (), (nn.Conv2d,), settings=("padding_mode",)),
    _layer("conv_transpose2d", _TRANSPOSED, (F.conv_transpose2d,), (), (nn.ConvTranspose2d,)),
    _layer("linear", {**_IN, "weight": None, "bias": None}, (F.linear,), (), (nn.Linear,)),
    Op("batch_norm", _IN, (F.batch_norm,), (), (nn.BatchNorm2d,), weight="float", settings=("track_running_stats",)),
    Op("layer_norm", _LAYER_NORM, (F.layer_norm,), (), (nn.LayerNorm,)),
    Op("group_norm", _GROUP_NORM, (F.group_norm,), (), (nn.GroupNorm,)),
    Op("instance_norm", _INSTANCE_NORM, (F.instance_norm,), (), (nn.InstanceNorm2d,)),
    Op("rms_norm", _RMS_NORM, (F.rms_norm,), (), (nn.RMSNorm,)),
    Op("normalize", {**_IN, "p": 2.0, "dim": 1, "eps": 1e-12}, (F.normalize,)),
    _even("relu", _ACTIVATION, (F.relu, torch.relu, torch.relu_), ("relu", "relu_"), (nn.ReLU,)),
    _each("relu6", _ACTIVATION, (F.relu6,), (), (nn.ReLU6,)),
    _even("leaky_relu", {**_IN, "negative_slope": 0.01, **_INPLACE}, (F.leaky_relu,), (), (nn.LeakyReLU,)),
    _each("elu", {**_IN, "alpha": 1.0, **_INPLACE}, (F.elu,), (), (nn.ELU,)),
    _each("celu", {**_IN, "alpha": 1.0, **_INPLACE}, (F.celu,), (), (nn.CELU,)),
    _each("selu", _ACTIVATION, (F.selu,), (), (nn.SELU,)),
    _homogeneous("prelu", {**_IN, "weight": None}, (F.prelu,), (), (nn.PReLU,), weight="float"),
    _each("hardswish", _ACTIVATION, (F.hardswish,), (), (nn.Hardswish,)),
    _unit("hardsigmoid", _ACTIVATION, (F.hardsigmoid,), (), (nn.Hardsigmoid,), elementwise=True),
    _each("hardtanh", _HARDTANH, (F.hardtanh,), (), (nn.Hardtanh,)),
    _each("clamp", _CLAMP, (torch.clamp, torch.clip), ("clamp", "clamp_", "clip")),
    _unit("sigmoid", _IN, (torch.sigmoid, torch.sigmoid_), ("sigmoid", "sigmoid_"), (nn.Sigmoid,), elementwise=True),
    _each("tanh", _IN, (torch.tanh, torch.tanh_), ("tanh", "tanh_"), (nn.Tanh,), bounds=(-1.0, 1.0)),
    _each("exp", _IN, (torch.exp,), ("exp",)),
    _each("log", _IN, (torch.log,), ("log",)),
    _each("sqrt", _IN, (torch.sqrt,), ("sqrt",)),
    _each("rsqrt", _IN, (torch.rsqrt,), ("rsqrt",)),
    _each("reciprocal", _IN, (torch.reciprocal,), ("reciprocal",)),
    _each("square", _IN, (torch.square,), ("square",)),
    _even("abs", _IN, (torch.abs, operator.abs), ("abs",)),
    _each("sign", _IN, (torch.sign,), ("sign",)),
    _each("round", {**_IN, "decimals": 0}, (torch.round,), ("round",)),
    _each("floor", _IN, (torch.floor,), ("floor",)),
    _each("ceil", _IN, (torch.ceil,), ("ceil",)),
    _each("erf", _IN, (torch.erf,), ("erf",)),
    _each("sin", _IN, (torch.sin,), ("sin",)),
    _each("cos", _IN, (torch.cos,), ("cos",)),
    _each("pow", {**_IN, "exponent": REQUIRED}, (torch.pow, operator.pow), ("pow",)),
    _each("silu", _ACTIVATION, (F.silu,), (), (nn.SiLU,)),
    _each("mish", _ACTIVATION, (F.mish,), (), (nn.Mish,)),
    _each("gelu", {**_IN, "approximate": "none"}, (F.gelu,), (), (nn.GELU,)),
    _each("softplus", {**_IN, "beta": 1.0, "threshold": 20.0}, (F.softplus,), (), (nn.Softplus,)),
    _each("softsign", _IN, (F.softsign,), (), (nn.Softsign,)),
    _each("logsigmoid", _IN, (F.logsigmoid,), (), (nn.LogSigmoid,)),
    _each("hardshrink", {**_IN, "lambd": 0.5}, (F.hardshrink,), (), (nn.Hardshrink,)),
    _each("softshrink", {**_IN, "lambd": 0.5}, (F.softshrink,), (), (nn.Softshrink,)),
    _each("tanhshrink", _IN, (F.tanhshrink,), (), (nn.Tanhshrink,)),
    _unit("softmax", {**_IN, "dim": None}, (F.softmax, torch.softmax), ("softmax",), (nn.Softmax,)),
    _even("add", _SCALED, (operator.add, operator.iadd, torch.add), ("add", "add_")),
    _even("sub", _SCALED, (operator.sub, operator.isub, torch.sub), ("sub", "sub_")),
    _even("rsub", _SCALED, (torch.rsub,)),
    _each("mul", _TWO, (operator.mul, operator.imul, torch.mul), ("mul", "mul_")),
    _each("div", _TWO, (operator.truediv, operator.itruediv, torch.div), ("div", "div_")),
    _even("neg", _IN, (torch.neg, operator.neg), ("neg",)),
    _even("maximum", _TWO, (torch.maximum,), ("maximum",), moves=True),
    _even("minimum", _TWO, (torch.minimum,), ("minimum",), moves=True),
    Op("matmul", _TWO, (torch.matmul, operator.matmul, torch.bmm), ("matmul", "bmm")),
    Op("einsum", {"equation": REQUIRED, "operands": REQUIRED}, (torch.einsum,), variadic=True),
    Op("attention", _SCALED_ATTENTION, (F.scaled_dot_product_attention,)),
    _move("cat", _JOIN, (torch.cat, torch.concat)),
    _move("stack", _JOIN, (torch.stack,)),
    _reduction("sum", _REDUCE, (torch.sum,), ("sum",)),
    _reduction("mean", _REDUCE, (torch.mean,), ("mean",)),
    _reduction("amax", _REDUCE, (torch.amax,), ("amax",), moves=True),
    _reduction("amin", _REDUCE, (torch.amin,), ("amin",), moves=True),
    _reduction("argmax", _REDUCE, (torch.argmax,), ("argmax",)),
    _reduction("argmin", _REDUCE, (torch.argmin,), ("argmin",)),
    _reduction("norm", _NORM, (torch.norm,), ("norm",)),
    _move("max", _REDUCE, (torch.max,), ("max",)),
    _move("min", _REDUCE, (torch.min,), ("min",)),
    _resampling("avg_pool2d", _AVG_POOL, (F.avg_pool2d,), (), (nn.AvgPool2d,)),
    _homogeneous("max_pool2d", _MAX_POOL, (F.max_pool2d, torch.max_pool2d), (), (nn.MaxPool2d,), moves=True),
    Op("max_pool2d_with_indices", _MAX_POOL, (F.max_pool2d_with_indices,)),
    _resampling("adaptive_avg_pool2d", _ADAPTIVE, (F.adaptive_avg_pool2d,), (), (nn.AdaptiveAvgPool2d,)),
    _homogeneous(
        "adaptive_max_pool2d", _ADAPTIVE_MAX, (F.adaptive_max_pool2d,), (), (nn.AdaptiveMaxPool2d,), moves=True
    ),
    Op("adaptive_max_pool2d_with_indices", _ADAPTIVE_MAX, (F.adaptive_max_pool2d_with_indices,)),
    _homogeneous("max_unpool2d", _UNPOOL, (F.max_unpool2d,), (), (nn.MaxUnpool2d,)),
    _resampling("interpolate", _INTERPOLATE, (F.interpolate,), (), (nn.Upsample,)),
    Op("grid_sample", _SAMPLE, (F.grid_sample,)),
    Op("pad", {**_IN, "pad": REQUIRED, "mode": "constant", "value": None}, (F.pad,)),
    Op("pad_layer", {**_IN, "padding": REQUIRED, "value": 0.0}, (), (), _PADS),
    _homogeneous("pad_reflect", {**_IN, "padding": REQUIRED}, (), (), (nn.ReflectionPad2d,), moves=True),
    _homogeneous("pad_replicate", {**_IN, "padding": REQUIRED}, (), (), (nn.ReplicationPad2d,), moves=True),
    _move("pixel_shuffle", {**_IN, "upscale_factor": REQUIRED}, (F.pixel_shuffle,), (), (nn.PixelShuffle,)),
    _move("pixel_unshuffle", {**_IN, "downscale_factor": REQUIRED}, (F.pixel_unshuffle,), (), (nn.PixelUnshuffle,)),
    _move("channel_shuffle", {**_IN, "groups": REQUIRED}, (F.channel_shuffle,), (), (nn.ChannelShuffle,)),
    _reshape("squeeze", {**_IN, "dim": None}, (torch.squeeze,), ("squeeze",)),
    _reshape("unsqueeze", {**_IN, "dim": REQUIRED}, (torch.unsqueeze,), ("unsqueeze",)),
    _reshape("reshape", {**_IN, "shape": REQUIRED}, (torch.reshape,), ("reshape", "view"), variadic=True),
    _reshape("flatten", {**_IN, "start_dim": 0, "end_dim": -1}, (torch.flatten,), ("flatten",), (nn.Flatten,)),
    _reshape("unflatten", _UNFLATTEN, (torch.unflatten,), ("unflatten",), (nn.Unflatten,)),
    _move("permute", {**_IN, "dims": REQUIRED}, (torch.permute,), ("permute",), variadic=True),
    _move("transpose", _SWAP, (torch.transpose, torch.swapaxes), ("transpose", "swapaxes")),
    _move("movedim", {**_IN, "source": REQUIRED, "destination": REQUIRED}, (torch.movedim,), ("movedim",)),
    _move("getitem", {**_IN, "index": REQUIRED}, (operator.getitem,)),
    _move("narrow", _NARROW, (torch.narrow,), ("narrow",)),
    _move("select", {**_IN, "dim": REQUIRED, "index": REQUIRED}, (torch.select,), ("select",)),
    _move("index_select", {**_IN, "dim": REQUIRED, "index": REQUIRED}, (torch.index_select,), ("index_select",)),
    _move("chunk", {**_IN, "chunks": REQUIRED, "dim": 0}, (torch.chunk,), ("chunk",)),
    _move("split", _SPLIT, (torch.split,), ("split",)),
    _move("tensor_split", _SECTIONS, (torch.tensor_split,), ("tensor_split",)),
    _move("unbind", {**_IN, "dim": 0}, (torch.unbind,), ("unbind",)),
    _move("flip", {**_IN, "dims": REQUIRED}, (torch.flip,), ("flip",), variadic=True),
    _move("roll", {**_IN, "shifts": REQUIRED, "dims": None}, (torch.roll,), ("roll",)),
    _move("expand", {**_IN, "size": REQUIRED}, (), ("expand",), variadic=True),
    _move("expand_as", _TWO, (), ("expand_as",)),
    _move("repeat", {**_IN, "size": REQUIRED}, (), ("repeat",), variadic=True),
    _move("repeat_interleave", _INTERLEAVE, (torch.repeat_interleave,), ("repeat_interleave",)),
    _idle("contiguous", _IN, (), ("contiguous",)),
    _idle("clone", {**_IN, "memory_format": None}, (torch.clone,), ("clone",)),
    _idle("detach", _IN, (torch.detach,), ("detach",)),
    _idle("dropout", _DROPOUT, (F.dropout, F.dropout2d), (), (nn.Dropout, nn.Dropout2d)),
    _idle("identity", _IN, (), (), (nn.Identity,)),
    _idle("quant_stub", _IN, (), (), (QuantStub,)),
    _idle("dequant_stub", _IN, (), (), (DeQuantStub,)),
)
_PADS_ZEROS = ("pad", "pad_layer")

BY_NAME = {op.name: op for op in OPS}
BY_FUNCTION = {function: op for op in OPS for function in op.functions}
BY_METHOD = {method: op for op in OPS for method in op.methods}
BY_MODULE = {module: op for op in OPS for module in op.modules}
INT8_LAYERS = tuple(module for op in OPS if op.weight == "int8" for module in op.modules)


def op_called(name: str) -> Op:
    """The row of the operation `name`; one without spellings and traits where the table has none.

    >>> op_called("tanh").bounds, op_called("scale_shift").bounds
    ((-1.0, 1.0), None)
    """
    return BY_NAME.get(name, Op(name, {}))


def only_moves(name: str, settings: Mapping[str, Any]) -> bool:
    """Whether the operation `name` with these settings only moves integers; 0, which padding adds, is on every grid.

    >>> only_moves("pad", {"mode": "constant", "value": 0.0}), only_moves("pad", {"mode": "constant", "value": 1.0})
    (True, False)
    """
    if name in _PADS_ZEROS:
        return settings.get("mode", "constant") != "constant" or not settings.get("value")
    return op_called(name).moves
