"""The profiler, where it lies from plugin 1.8.1 on."""

from __future__ import annotations

from horizon_plugin_pytorch.utils.quant_profiler import (
    check_qconfig,
    check_unfused_operations,
    compare_weights,
    featuremap_similarity,
    get_module_called_count,
    get_raw_features,
    model_profiler,
    profile_featuremap,
)

__all__ = [
    "check_qconfig",
    "check_unfused_operations",
    "compare_weights",
    "featuremap_similarity",
    "get_module_called_count",
    "get_raw_features",
    "model_profiler",
    "profile_featuremap",
]
