"""Calibration's scales, read from a prepared network's state_dict alone: the plugin's classes differ by version."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from qat.errors import UserError
from qat.observers.weights import HIGH, LOW

UNSET = 1.0  # what the plugin starts every scale with


def activation_scales(prepared: nn.Module) -> dict[str, float]:
    """Scale of each activation, by the module that makes it; weights have one per channel, and `weight` in the name."""
    state = prepared.state_dict()
    entries = ((key.removesuffix(".scale"), value) for key, value in state.items() if key.endswith(".scale"))
    return {_owner(name): float(value) for name, value in entries if _is_activation(name, value, state)}


def _is_activation(name: str, scale: Tensor, state: dict[str, Tensor]) -> bool:
    return scale.numel() == 1 and "weight" not in name.rpartition(".")[2] and f"{name}.zero_point" in state


def _owner(name: str) -> str:
    return name.removesuffix(".activation_post_process")


def set_weight_scale(prepared: nn.Module, layer: str, scale: Tensor) -> None:
    """Set the scales that a layer's weight is rounded by, one per channel; UserError where the plugin keeps none there.

    `scale`: (channels,), or (1,) for all.
    """
    stored = [value for key, value in prepared.state_dict().items() if _is_weight_scale(key, layer)]
    if len(stored) != 1:
        raise UserError(
            f"the plugin keeps {len(stored) or 'no'} weight scales for {layer}, expected one tensor, so tuned weights "
            "can't be handed over; switch off QUANT's methods that tune weights (docs/accuracy.md)"
        )
    with torch.no_grad():
        stored[0].copy_(scale.expand_as(stored[0]))


def _is_weight_scale(key: str, layer: str) -> bool:
    owner, _, leaf = key.rpartition(".")
    return leaf == "scale" and owner.startswith(f"{layer}.") and "weight" in owner.removeprefix(f"{layer}.")


def dead(scales: dict[str, float]) -> list[tuple[str, str]]:
    """(module, why) for each scale that calibration left as it was, or made useless."""
    unset = [(name, "never seen: its scale is unset") for name, scale in scales.items() if scale == UNSET]
    useless = [(name, f"scale {scale}") for name, scale in scales.items() if not 0 < scale < float("inf")]
    return unset + useless


def rows(scales: dict[str, float]) -> dict[str, dict[str, Any]]:
    """The rows of qparams.json: symmetric int8, zero point 0."""
    return {
        name: {
            "scale": scale,
            "zero_point": 0,
            "range": [scale * LOW, scale * HIGH],
            "levels": [LOW, HIGH],
            "dtype": "qint8",
        }
        for name, scale in scales.items()
    }
