"""The profiler, where it lay before plugin 1.8.1 (expert/user_guide.md)."""

from __future__ import annotations

from .checks import check_qconfig, check_unfused_operations, get_module_called_count
from .comparisons import compare_weights, featuremap_similarity, model_profiler
from .features import get_raw_features, profile_featuremap

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
