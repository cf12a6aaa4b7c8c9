"""A sample of every operation of `qat.graph.ops`: a function of one picture (1, 4, 8, 8) that calls it once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from qat.ao import DeQuantStub, QuantStub

Sample = Callable[[Tensor], Any]

SAMPLES: dict[str, Sample | nn.Module] = {
    "conv2d": nn.Conv2d(4, 4, 3),
    "conv_transpose2d": nn.ConvTranspose2d(4, 4, 2),
    "linear": nn.Linear(8, 4),
    "batch_norm": nn.BatchNorm2d(4),
    "layer_norm": nn.LayerNorm(8),
    "group_norm": nn.GroupNorm(2, 4),
    "instance_norm": nn.InstanceNorm2d(4, affine=True),
    "rms_norm": nn.RMSNorm(8),
    "normalize": F.normalize,
    "relu": F.relu,
    "relu6": F.relu6,
    "leaky_relu": F.leaky_relu,
    "elu": F.elu,
    "celu": F.celu,
    "selu": F.selu,
    "prelu": nn.PReLU(4),
    "hardswish": F.hardswish,
    "hardsigmoid": F.hardsigmoid,
    "hardtanh": F.hardtanh,
    "clamp": lambda x: torch.clamp(x, -0.5, 0.5),
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "exp": torch.exp,
    "log": torch.log,
    "sqrt": torch.sqrt,
    "rsqrt": torch.rsqrt,
    "reciprocal": torch.reciprocal,
    "square": torch.square,
    "abs": torch.abs,
    "sign": torch.sign,
    "round": torch.round,
    "floor": torch.floor,
    "ceil": torch.ceil,
    "erf": torch.erf,
    "sin": torch.sin,
    "cos": torch.cos,
    "pow": lambda x: x**2,
    "silu": F.silu,
    "mish": F.mish,
    "gelu": F.gelu,
    "softplus": F.softplus,
    "softsign": F.softsign,
    "logsigmoid": F.logsigmoid,
    "hardshrink": F.hardshrink,
    "softshrink": F.softshrink,
    "tanhshrink": F.tanhshrink,
    "softmax": nn.Softmax(1),
    "add": lambda x: x + x,
    "sub": lambda x: torch.sub(x, x, alpha=3),
    "rsub": lambda x: torch.rsub(x, x, alpha=3),
    "mul": lambda x: x * x,
    "div": lambda x: x / x,
    "neg": lambda x: -x,
    "maximum": lambda x: torch.maximum(x, x * 3),
    "minimum": lambda x: torch.minimum(x, x * 3),
    "matmul": lambda x: torch.matmul(x, x),
    "einsum": lambda x: torch.einsum("nchw,ncvw->nchv", x, x),
    "attention": lambda x: F.scaled_dot_product_attention(x, x, x),
    "cat": lambda x: torch.cat([x, x], 1),
    "stack": lambda x: torch.stack([x, x], 1),
    "sum": lambda x: x.sum(1, keepdim=True),
    "mean": lambda x: x.mean(1, keepdim=True),
    "amax": lambda x: torch.amax(x, 1, keepdim=True),
    "amin": lambda x: torch.amin(x, 1, keepdim=True),
    "argmax": lambda x: x.argmax(1, keepdim=True),
    "argmin": lambda x: x.argmin(1, keepdim=True),
    "norm": lambda x: torch.norm(x, dim=1, keepdim=True),
    "max": lambda x: torch.max(x, 1, keepdim=True)[0],
    "min": lambda x: torch.min(x, 1, keepdim=True)[0],
    "avg_pool2d": nn.AvgPool2d(3, 2, 1),
    "max_pool2d": nn.MaxPool2d(3, 2, 1),
    "max_pool2d_with_indices": lambda x: F.max_pool2d(x, 2, return_indices=True),
    "adaptive_max_pool2d_with_indices": lambda x: F.adaptive_max_pool2d(x, 3, return_indices=True),
    "max_unpool2d": lambda x: F.max_unpool2d(*F.max_pool2d(x, 2, return_indices=True), 2),
    "adaptive_avg_pool2d": nn.AdaptiveAvgPool2d(3),
    "adaptive_max_pool2d": nn.AdaptiveMaxPool2d(3),
    "interpolate": lambda x: F.interpolate(x, [5, 12], mode="bilinear", align_corners=False),
    "grid_sample": lambda x: F.grid_sample(x, x[:, :2].permute(0, 2, 3, 1), align_corners=False),
    "pad": lambda x: F.pad(x, (1, 1), value=2.0),
    "pad_layer": nn.ConstantPad2d(1, 2.0),
    "pad_reflect": nn.ReflectionPad2d(1),
    "pad_replicate": nn.ReplicationPad2d(1),
    "channel_shuffle": nn.ChannelShuffle(2),
    "pixel_shuffle": nn.PixelShuffle(2),
    "pixel_unshuffle": nn.PixelUnshuffle(2),
    "clone": lambda x: x.clone(),
    "squeeze": lambda x: x.squeeze(0),
    "unsqueeze": lambda x: x.unsqueeze(1),
    "reshape": lambda x: x.reshape(1, 16, 4, 4),
    "flatten": lambda x: torch.flatten(x, 1),
    "unflatten": lambda x: x.unflatten(1, (2, 2)),
    "movedim": lambda x: x.movedim(1, 3),
    "permute": lambda x: x.permute(0, 2, 3, 1),
    "transpose": lambda x: x.transpose(1, 2),
    "getitem": lambda x: x[:, 1:],
    "narrow": lambda x: x.narrow(1, 1, 2),
    "select": lambda x: x.select(1, 2),
    "index_select": lambda x: x.index_select(1, torch.tensor([2, 0])),
    "unbind": lambda x: x.unbind(1),
    "tensor_split": lambda x: torch.tensor_split(x, 3, 1),
    "flip": lambda x: x.flip(1),
    "roll": lambda x: x.roll(1, 1),
    "expand_as": lambda x: x[:, :1].expand_as(x),
    "repeat_interleave": lambda x: x.repeat_interleave(2, 1),
    "chunk": lambda x: torch.chunk(x, 2, 1),
    "split": lambda x: torch.split(x, 2, 1),
    "expand": lambda x: x[:, :1].expand(-1, 4, -1, -1),
    "repeat": lambda x: x.repeat(1, 2, 1, 1),
    "contiguous": lambda x: x.contiguous(),
    "detach": lambda x: x.detach(),
    "dropout": nn.Dropout(),
    "identity": nn.Identity(),
    "quant_stub": QuantStub(),
    "dequant_stub": DeQuantStub(),
}
for _sample in SAMPLES.values():
    if isinstance(_sample, nn.Module):
        _sample.eval()
        for _parameter in _sample.parameters():  # as after training: no two channels have the same
            nn.init.normal_(_parameter, std=2.0, generator=torch.Generator().manual_seed(0))


class Net(nn.Module):
    """The sample as a network."""

    def __init__(self, sample: Sample | nn.Module) -> None:
        super().__init__()
        self.sample = sample

    def forward(self, x: Tensor) -> Any:
        return self.sample(x)
