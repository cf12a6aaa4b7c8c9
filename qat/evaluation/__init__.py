"""Evaluation of a stage: Cityscapes' mIoU, and the distance from float that mIoU's luck hides."""

from qat.evaluation.confusion import ConfusionMatrix, Scores
from qat.evaluation.loop import Result, evaluate
from qat.evaluation.store import LogitStore
from qat.evaluation.upsample import upsample_argmax

__all__ = ["ConfusionMatrix", "LogitStore", "Result", "Scores", "evaluate", "upsample_argmax"]
