"""The running average of a network's weights: what is evaluated and exported."""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import nn


def decay_at(update: int, decay: float) -> float:
    """Decay of the 0-based `update`: min(decay, (1 + update) / (10 + update)), so that the start is soon forgotten."""
    return min(decay, (1 + update) / (10 + update))


class WeightAverage:
    """`model` is average <- decay * average + (1 - decay) * weights; with decay 0 a plain copy of the newest weights.

    Floating buffers (batch norm's statistics) are averaged with the parameters, so that they fit the averaged weights;
    integer buffers are copied.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = deepcopy(model).eval().requires_grad_(False)
        self.decay = decay
        self.updates = 0

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Take in the weights after an optimiser step."""
        share = 1 - decay_at(self.updates, self.decay)
        self.updates += 1
        for average, value in zip(self.model.state_dict().values(), model.state_dict().values(), strict=True):
            if average.is_floating_point():
                average.lerp_(value, share)
            else:
                average.copy_(value)
