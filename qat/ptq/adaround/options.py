"""What adaptive rounding is told, and what it says afterwards."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class AdaRoundOptions:
    """How layers are rounded.

    `samples`: output positions a layer is fitted on, spread over all pictures. `sweeps`: most passes over a layer's
    weights. `damping`: energy that every input has at least, as a share of their mean, so that no error hides where
    these pictures have none. `memory`: bytes that the activations between two layers may take; fewer pictures where
    they need more.
    """

    samples: int = 8192
    sweeps: int = 10
    damping: float = 0.03
    memory: int = 2 << 30
    seed: int = 0


@dataclass(frozen=True)
class LayerReport:
    """A layer's output error against float's on the fitted positions, in dB of signal to noise."""

    name: str  # the graph node's
    nearest_db: float  # rounded to the nearest level, the bias as it was
    rounded_db: float
    moved: float  # share (0 to 1) of weights that aren't on their nearest level

    def __str__(self) -> str:
        """The text that tools print."""
        return f"{self.name}: {self.nearest_db:.1f} -> {self.rounded_db:.1f} dB"
