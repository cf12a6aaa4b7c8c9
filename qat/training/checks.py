"""What stops a run."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import nn

from qat.errors import UserError


def check_loss(parts: Mapping[str, float], rest: str) -> None:
    """UserError that names the parts which are NaN or infinite; `rest` says where and what to do."""
    wrong = [f"{name} {value}" for name, value in parts.items() if not math.isfinite(value)]
    if wrong:
        raise UserError(f"{', '.join(wrong)} {rest}")


def check_weights(model: nn.Module, rest: str) -> None:
    """UserError that names the first weight or statistic with NaN or infinity."""
    for name, value in model.state_dict().items():
        if not torch.isfinite(value).all():
            raise UserError(f"NaN or infinity in {name} {rest}")
