"""The plugin's own QAT: the fake-quantised network learns to give float's logits on the calibration's pictures."""

from __future__ import annotations

from typing import Callable, Iterable

import torch
from torch import Tensor, nn

from . import plugin
from .mistake import Mistake, called

MOMENTUM = 0.9


def train(
    model: nn.Module,
    teacher: nn.Module,
    batches: Callable[[], Iterable[Tensor]],
    epochs: int,
    rate: float,
    say: Callable[[str], None],
) -> None:
    """Distil, in place; activation scales stay as calibration chose them. `say` takes the loss of each epoch."""
    plugin.set_state(model, "QAT")
    for module in model.modules():
        if "BatchNorm" in type(module).__name__:
            module.training = False  # its statistics are float's; its children stay in training mode
    optimiser = torch.optim.SGD([value for value in model.parameters() if value.requires_grad], rate, MOMENTUM)
    for epoch in range(1, epochs + 1):
        losses = [_step(model, teacher, optimiser, batch) for batch in batches()]
        mean = sum(losses) / len(losses)
        say(f"epoch {epoch} of {epochs}: distance from float {mean:.6f} of the logits' power")
        if mean != mean:
            raise Mistake("the plugin's QAT gives NaN; lower --qat-lr")


def _step(model: nn.Module, teacher: nn.Module, optimiser: torch.optim.Optimizer, batch: Tensor) -> float:
    with torch.no_grad():
        expected = teacher(batch)
    loss = (called(model, batch) - expected).square().mean() / expected.square().mean()
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return float(loss.detach())
