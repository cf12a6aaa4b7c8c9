"""Training: losses, optimiser, weight average, checkpoints, the loop."""

from qat.training.distributed import Place, placed
from qat.training.loop import Trainer, make_trainer

__all__ = ["Place", "Trainer", "make_trainer", "placed"]
