"""Weights, running statistics and pictures that depend on a seed and a tensor's name alone."""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn


def seeded_state(state: Mapping[str, Tensor], seed: int = 0) -> dict[str, Tensor]:
    """Returns float tensors of the same names and shapes, with variances above zero; others stay.

    numpy's RandomState is used, whose stream never changes.
    """
    return {name: _seeded(name, value, seed) for name, value in state.items()}


def _seeded(name: str, value: Tensor, seed: int) -> Tensor:
    if not value.dtype.is_floating_point or name.endswith("anchors"):
        return value
    random = np.random.RandomState((zlib.crc32(name.encode()) + seed) % 2**32)
    if value.dim() > 1:
        array = random.standard_normal(value.shape) * math.sqrt(2 / math.prod(value.shape[1:]))
    elif name.endswith(("running_var", "weight")):
        array = random.uniform(0.5, 1.5, value.shape)
    else:
        array = random.standard_normal(value.shape) * 0.1
    return torch.from_numpy(np.asarray(array)).to(value.dtype)


def seed_network(network: nn.Module, seed: int = 0) -> nn.Module:
    """Gives a network seeded weights and running statistics, in place; returns it in eval mode."""
    state = network.state_dict()
    for name, value in seeded_state(state, seed).items():
        state[name].copy_(value)
    return network.eval()


def seeded_picture(height: int, width: int, batch: int = 1, seed: int = 0) -> Tensor:
    """Returns noise, (batch, 3, height, width)."""
    noise = np.random.RandomState(seed).standard_normal((batch, 3, height, width))
    return torch.from_numpy(noise).float()
