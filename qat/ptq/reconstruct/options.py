"""What reconstruction is told, and what it says afterwards."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ReconstructOptions:
    """How the network learns.

    `lr`: the share of its usual size that a step moves a parameter by (`qat.backends.scaled_parameters`); it falls as a
    cosine. `pace`: how many times as far it moves an activation's scale. `warm_up`: steps. `save_every`: steps between
    saved states. `size`: height and width of the part of a picture that a step sees, which the graph is built for.
    """

    size: tuple[int, int]
    steps: int = 200
    lr: float = 2e-5
    pace: float = 25.0
    warm_up: int = 20
    save_every: int = 50
    seed: int = 0


@dataclass(frozen=True)
class Reconstructed:
    """`before`, `after`: mean divergence from float's logits (nats a pixel) over the first and last tenth of steps."""

    steps: int
    before: float
    after: float

    def __str__(self) -> str:
        """The line that tools print."""
        return f"reconstruction: {self.before:.6f} -> {self.after:.6f} nats a pixel from float in {self.steps} steps"
