"""Training and fine-tuning: losses, optimiser, weight average, checkpoints, the loop."""

from qat.training.distributed import DistContext, dist_context
from qat.training.finetune import FineTuneConfig, FineTuner
from qat.training.trainer import TrainConfig, Trainer

__all__ = ["DistContext", "FineTuneConfig", "FineTuner", "TrainConfig", "Trainer", "dist_context"]
