"""The outputs of a network for a batch: one tensor, or several."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor

Outputs: TypeAlias = Tensor | tuple[Tensor, ...]  # (N, ...) each
Network: TypeAlias = Callable[[Tensor], Outputs]  # (N, 3, H, W) normalised float32 -> outputs


def several(outputs: Outputs) -> tuple[Tensor, ...]:
    """The outputs as a tuple."""
    return (outputs,) if isinstance(outputs, Tensor) else tuple(outputs)


def moved(outputs: Outputs, device: torch.device | str) -> Outputs:
    """The outputs on `device`."""
    return outputs.to(device) if isinstance(outputs, Tensor) else tuple(one.to(device) for one in outputs)
