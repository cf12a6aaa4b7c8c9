"""The rewrite rules in the order of their application: a table of contents."""

from __future__ import annotations

from qat.graph.rules import (
    adaptive_pool,
    channel_sum,
    constant_minuend,
    constant_sizes,
    identity,
    in_place,
    interpolate_size,
    keepdim,
    negation,
    norm_into_sum,
    pool_convolution,
    reshape_pair,
    shared_interpolation,
    spatial_mean,
    spelling,
    subtraction,
)
from qat.graph.rules.rule import Rule
from qat.graph.rules.stubs import DEQUANT_STUB, QUANT_STUB

__all__ = ["RULES", "Rule"]

RULES: tuple[Rule, ...] = (
    in_place.RULE,  # first: the others look at values, not at memory
    identity.RULE,
    constant_sizes.RULE,
    interpolate_size.RULE,
    spelling.RULE,
    keepdim.RULE,
    reshape_pair.RULE,
    constant_minuend.RULE,
    negation.RULE,
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
