"""The rewrite rules in the order of their application: a table of contents."""

from __future__ import annotations

from qat.graph.rules import (
    adaptive_pool,
    alpha,
    batch_size,
    broadcast,
    channel_shuffle,
    channel_sum,
    constant_fold,
    constant_minuend,
    constant_sizes,
    flat_linear,
    functional_layer,
    functional_norm,
    gated_activation,
    identity,
    in_place,
    interpolate_size,
    keepdim,
    late_expand,
    negation,
    norm_into_sum,
    pool_convolution,
    reciprocal,
    reshape_chain,
    reshape_pair,
    same_padding,
    shared_interpolation,
    spatial_mean,
    spelling,
    subtraction,
    synced_norm,
    transposed_kernel,
    zero_pad,
)
from qat.graph.rules.rule import Rule
from qat.graph.rules.stubs import DEQUANT_STUB, QUANT_STUB

__all__ = ["RULES", "Rule"]

RULES: tuple[Rule, ...] = (
    in_place.RULE,  # first: the others look at values, not at memory
    identity.RULE,
    batch_size.RULE,
    constant_sizes.RULE,
    constant_fold.RULE,
    functional_norm.RULE,
    functional_layer.RULE,
    synced_norm.RULE,
    same_padding.RULE,
    zero_pad.RULE,
    broadcast.RULE,
    late_expand.RULE,
    interpolate_size.RULE,
    alpha.RULE,  # before spelling, which has no word for it
    spelling.RULE,
    keepdim.RULE,
    reshape_pair.RULE,
    reshape_chain.RULE,
    flat_linear.RULE,
    channel_shuffle.RULE,
    reciprocal.RULE,
    constant_minuend.RULE,
    negation.RULE,
    gated_activation.RULE,
    transposed_kernel.RULE,
    subtraction.RULE,
    adaptive_pool.RULE,
    spatial_mean.RULE,
    channel_sum.RULE,
    pool_convolution.RULE,
    norm_into_sum.RULE,
    shared_interpolation.RULE,
    QUANT_STUB,
    DEQUANT_STUB,
)
