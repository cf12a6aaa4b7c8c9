"""How long a run is and how fast it learns: the keys that TRAIN and QAT both have."""

from __future__ import annotations

from dataclasses import dataclass

from yacs.config import CfgNode

from qat.training.optim import poly_lr

SHARE = 10  # fine-tuning takes a tenth of the float epochs unless QAT.END_EPOCH says otherwise


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

    @classmethod
    def of_training(cls, cfg: CfgNode) -> Plan:
        """What TRAIN says."""
        train = cfg.TRAIN
        return cls("train", train.END_EPOCH, train.EVAL_EVERY, train.EMA, train.LR, train.LR_POWER, train.WARMUP)

    @classmethod
    def of_fine_tuning(cls, cfg: CfgNode) -> Plan:
        """What QAT says; the schedule's power is TRAIN's.

        >>> from qat.config import load_config
        >>> [Plan.of_fine_tuning(load_config(None, ["TRAIN.END_EPOCH", end])).epochs for end in ("3", "484")]
        [1, 48]
        """
        own = cfg.QAT
        epochs = own.END_EPOCH or max(1, cfg.TRAIN.END_EPOCH // SHARE)
        return cls("qat", epochs, own.EVAL_EVERY, own.EMA, own.LR, cfg.TRAIN.LR_POWER, min_lr=own.MIN_LR)

    def lr_at(self, iteration: int, total: int) -> float:
        """Learning rate of the 0-based `iteration` of `total`."""
        return poly_lr(iteration, total, self.lr, self.power, self.warmup, self.min_lr)

    def evaluates(self, epoch: int) -> bool:
        """Whether an evaluation follows the 0-based `epoch`."""
        return self.eval_every > 0 and (epoch + 1 == self.epochs or (epoch + 1) % self.eval_every == 0)
