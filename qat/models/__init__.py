"""The float networks, equal to their official checkpoints key by key, each with a row of its facts."""

from __future__ import annotations

from qat.models.checkpoint import load_checkpoint
from qat.models.own import Look, load_user_network, look_at
from qat.models.registry import (
    NAMES,
    NETWORKS,
    branches_of,
    build_model,
    default_fit,
    normalisation,
    resolve,
    takes_letterbox,
)
from qat.models.spec import Branch, NetworkSpec
from qat.models.user import UserNetwork, names_own, short_name

__all__ = [
    "NAMES",
    "NETWORKS",
    "Branch",
    "Look",
    "NetworkSpec",
    "UserNetwork",
    "branches_of",
    "build_model",
    "default_fit",
    "load_checkpoint",
    "load_user_network",
    "look_at",
    "names_own",
    "normalisation",
    "resolve",
    "short_name",
    "takes_letterbox",
]
