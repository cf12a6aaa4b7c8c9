"""A trainable copy of a settled graph, its optimiser, and how far they are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, fx
from torch.optim import Adam
from torch.optim.lr_scheduler import LambdaLR

from qat.backends.scaled_parameters import learn_in_units
from qat.backends.scales import round_weight, weighted
from qat.backends.trainable import trainable, write_back
from qat.errors import UserError
from qat.evaluation.distance import divergence
from qat.finite import culprit
from qat.ptq import resume


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


class Learner:
    """`losses`: of every step so far."""

    def __init__(self, prepared: fx.GraphModule, options: ReconstructOptions) -> None:
        self.options, self.key = options, resume.fingerprint(prepared, options)
        self.model = trainable(prepared, learn_scales=True)
        self.optimizer = Adam(learn_in_units(self.model, options.pace), options.lr)
        self.schedule = LambdaLR(self.optimizer, self._share)
        self.losses: list[float] = []

    def _share(self, step: int) -> float:
        """Of the learning rates: linear warm-up, then a cosine down to zero."""
        return min(1.0, (step + 1) / self.options.warm_up) * (1 + math.cos(math.pi * step / self.options.steps)) / 2

    def step(self, x: Tensor, expected: Tensor, state: Path | None) -> None:
        """Learn from one batch; UserError for a loss that isn't finite, which names the tensor and `state`."""
        loss = divergence(self.model(x), expected)
        if not loss.isfinite():
            raise UserError(
                f"reconstruction stopped in step {len(self.losses) + 1}: NaN or infinity {culprit(self.model, x)}; "
                f"{f'the state before it is in {state}; ' if state else ''}check the float checkpoint, or set "
                "QUANT.RECONSTRUCT False"
            )
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.schedule.step()
        self.losses.append(float(loss.detach()))

    def save(self, state: Path | None) -> None:
        """Write everything that the next steps depend on."""
        parts = {name: getattr(self, name).state_dict() for name in _PARTS}
        resume.save(state, self.key, parts | {"losses": self.losses})

    def resume(self, state: Path | None) -> None:
        """Go on where `save` left the same run; start anew where there is nothing to go on from."""
        saved = resume.load(state, self.key)
        if saved:
            for name in _PARTS:
                getattr(self, name).load_state_dict(saved[name])
            self.losses = saved["losses"]

    def write_back(self, prepared: fx.GraphModule) -> None:
        """Put what was learnt into the graph, weights on their levels."""
        write_back(self.model, prepared)
        for module in weighted(prepared):
            round_weight(module)


_PARTS = ("model", "optimizer", "schedule")
