"""What reconstruction is told, and what it says afterwards."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ReconstructOptions:
    """How the network learns. Rates are relative, so that they mean the same in every layer, and fall as a cosine.

    `weight_lr`: levels of a weight's grid a step. `bias_lr`: shares of a layer's root mean square bias.
    `scale_lr`: shares of an activation's scale. `warm_up`: steps. `save_every`: steps between saved states.
    `size`: height and width of the part of a picture that a step sees, which the graph is built for.
    """

    size: tuple[int, int]
    steps: int = 200
    weight_lr: float = 0.0005
    bias_lr: float = 0.0005
    scale_lr: float = 0.0005
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
