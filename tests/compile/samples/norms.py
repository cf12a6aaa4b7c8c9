"""Normalisations, reductions and products of two tensors."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.compile.operations import Operation, call, layer, plain


def pixels(y: Tensor) -> Tensor:
    """(N, C, H, W) -> (N, H * W, C)."""
    return y.flatten(2).transpose(1, 2)


def attention(module: nn.Module, y: Tensor) -> Tensor:
    """As transformers write it."""
    n, channels, height, width = y.shape
    tokens = module.norm(pixels(y))
    query, key, value = module.qkv(tokens).reshape(n, height * width, 3, 2, 2).permute(2, 0, 3, 1, 4).unbind(0)
    shares = (query @ key.transpose(-2, -1) * 0.7).softmax(-1)
    mixed = module.out((shares @ value).transpose(1, 2).reshape(n, height * width, channels))
    return mixed.transpose(1, 2).reshape(n, channels, height, width) + y


def self_attention(y: Tensor, **settings: Any) -> Tensor:
    tokens = pixels(y)
    return F.scaled_dot_product_attention(tokens, tokens, tokens, **settings).unsqueeze(1)


def parts() -> dict[str, nn.Module]:
    return {"norm": nn.LayerNorm(4), "qkv": nn.Linear(4, 12), "out": nn.Linear(4, 4)}


LAYERS = (
    layer("layer_norm", "", lambda: nn.LayerNorm(12)),
    layer("layer_norm", "not affine", lambda: nn.LayerNorm((9, 12), elementwise_affine=False)),
    call("layer_norm", "function", lambda y: F.layer_norm(y, (12,))),
    layer("group_norm", "", lambda: nn.GroupNorm(2, 4)),
    layer("group_norm", "not affine", lambda: nn.GroupNorm(2, 4, affine=False)),
    layer("instance_norm", "", lambda: nn.InstanceNorm2d(4, affine=True)),
    layer("instance_norm", "not affine", lambda: nn.InstanceNorm2d(4)),
    layer("rms_norm", "", lambda: nn.RMSNorm(12)),
    call("normalize", "", lambda y: F.normalize(y, dim=1)),
    call("normalize", "by magnitude", lambda y: F.normalize(y, p=1, dim=-1)),
    call("softmax", "function", lambda y: F.softmax(y, 1)),
)
REDUCTIONS = (
    call("norm", "", lambda y: y.norm(dim=1, keepdim=True)),
    call("norm", "of magnitudes", lambda y: torch.norm(y, 1, -1, True)),
    call("sum", "gate", lambda y: y.sum((2, 3), keepdim=True) * y),
    call("mean", "of all", lambda y: y * y.mean()),
    call("amax", "", lambda y: torch.amax(y, 1, keepdim=True)),
    call("amin", "", lambda y: y.amin((2, 3), keepdim=True) + y),
    call("amax", "torch.max of an axis", lambda y: torch.max(y, 1, keepdim=True)[0], row="max"),
    call("amin", "torch.min of all", lambda y: y * y.min(), row="min"),
    call("argmax", "", lambda y: y * y.argmax(1, keepdim=True)),
    plain("argmin", "", lambda y: torch.min(y, 1, keepdim=True)[1] * y, row="min"),
    plain("argmin", "flat", lambda y: y * y.argmin()),
)
PRODUCTS = (
    call("matmul", "bmm", lambda y: torch.bmm(y.flatten(2), pixels(y)).unsqueeze(1)),
    call("einsum", "", lambda y: torch.einsum("nchw,ndhw->ncd", y, y).unsqueeze(1)),
    Operation("matmul", "attention", attention, parts),
    call("attention", "", lambda y: self_attention(y)),
    call("attention", "causal", lambda y: self_attention(y, is_causal=True, scale=0.7)),
    call("attention", "masked", lambda y: self_attention(y, attn_mask=torch.eye(108) > 0)),
)
NORMS = (*LAYERS, *REDUCTIONS, *PRODUCTS)
