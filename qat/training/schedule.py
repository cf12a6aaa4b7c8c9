"""How long a run is and how fast it learns."""

from __future__ import annotations

from dataclasses import dataclass

from qat.training.optim import poly_lr


@dataclass(frozen=True)
class Plan:
    """`stage`: the run's folder. `eval_every`: epochs between evaluations, 0 = never."""

    stage: str
    epochs: int
    eval_every: int
    ema: float
    lr: float
    power: float
    warmup: int = 0  # iterations
    min_lr: float = 0.0

    def lr_at(self, iteration: int, total: int) -> float:
        """Learning rate of the 0-based `iteration` of `total`."""
        return poly_lr(iteration, total, self.lr, self.power, self.warmup, self.min_lr)

    def evaluates(self, epoch: int) -> bool:
        """Whether an evaluation follows the 0-based `epoch`."""
        return self.eval_every > 0 and (epoch + 1 == self.epochs or (epoch + 1) % self.eval_every == 0)
