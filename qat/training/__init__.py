"""Training and fine-tuning: losses, optimiser, weight average, checkpoints, the loop."""

from qat.training.distributed import Place, placed
from qat.training.finetune import FineTuner, make_fine_tuner
from qat.training.trainer import Trainer, make_trainer

__all__ = ["FineTuner", "Place", "Trainer", "make_fine_tuner", "make_trainer", "placed"]
