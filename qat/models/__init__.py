"""The float networks, equal to their official checkpoints key by key, each with a row of its facts."""

from __future__ import annotations

from qat.models.checkpoint import load_checkpoint
from qat.models.registry import NAMES, NETWORKS, branches_of, build_model, resolve
from qat.models.spec import Branch, NetworkSpec

__all__ = [
    "NAMES",
    "NETWORKS",
    "Branch",
    "NetworkSpec",
    "branches_of",
    "build_model",
    "load_checkpoint",
    "resolve",
]
