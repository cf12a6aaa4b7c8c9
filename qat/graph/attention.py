"""`nn.MultiheadAttention` as the layers and steps that it is made of, each of which may be int8."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

ATTENTION = "MultiheadAttention"  # the row of a device that takes the whole layer


class OpenAttention(nn.MultiheadAttention):
    """What the layer computes in eval mode: three linear layers, scaled dot products, a linear layer.

    Vaswani et al. 2017, "Attention is all you need" (arXiv:1706.03762), section 3.2.2.
    """

    query: nn.Linear
    key: nn.Linear
    value: nn.Linear

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """As nn.MultiheadAttention's, of (N, L, channels) or (L, N, channels)."""
        if key_padding_mask is not None or attn_mask is not None:
            raise NotImplementedError("nn.MultiheadAttention with a mask has no int8 form here; leave the mask out")
        if not self.batch_first:
            query, key, value = (part.transpose(0, 1) for part in (query, key, value))
        q, k, v = self._heads(self.query(query)), self._heads(self.key(key)), self._heads(self.value(value))
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        result = self.out_proj(mixed if self.batch_first else mixed.transpose(0, 1))
        return result, self._shares(q, k, average_attn_weights) if need_weights else None

    def _heads(self, x: Tensor) -> Tensor:
        parts: Tensor = x.unflatten(2, (self.num_heads, -1)).transpose(1, 2)
        return parts

    def _shares(self, q: Tensor, k: Tensor, averaged: bool) -> Tensor:
        """(N, L, S), or by head (N, heads, L, S)."""
        shares: Tensor = (q @ k.transpose(2, 3) * self.head_dim**-0.5).softmax(3)
        return shares.mean(1) if averaged else shares


def open_attention(model: nn.Module) -> None:
    """Let each multi-head attention of `model` compute step by step, in place; what it holds stays as it is."""
    for layer in list(model.modules()):
        if type(layer) is nn.MultiheadAttention and _is_plain(layer):
            for name, weight, bias in zip(("query", "key", "value"), _weights(layer), _biases(layer), strict=True):
                layer.add_module(name, _linear(weight, bias))
            layer.out_proj.__class__ = nn.Linear  # type: ignore[assignment]
            layer.__class__ = OpenAttention


def _is_plain(layer: nn.MultiheadAttention) -> bool:
    return layer.bias_k is None and layer.bias_v is None and not layer.add_zero_attn


def _weights(layer: nn.MultiheadAttention) -> tuple[Tensor, ...]:
    if layer.in_proj_weight is not None:
        return layer.in_proj_weight.chunk(3)
    return layer.q_proj_weight, layer.k_proj_weight, layer.v_proj_weight


def _biases(layer: nn.MultiheadAttention) -> tuple[Tensor | None, ...]:
    return (None,) * 3 if layer.in_proj_bias is None else layer.in_proj_bias.chunk(3)


def _linear(weight: Tensor, bias: Tensor | None) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias is not None, device="meta").eval()
    layer.weight = nn.Parameter(weight.detach().clone())
    if bias is not None:
        layer.bias = nn.Parameter(bias.detach().clone())
    return layer
