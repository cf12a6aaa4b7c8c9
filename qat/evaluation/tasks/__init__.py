"""The tasks: a row and a file each. A network's row names its task (`NetworkSpec.task`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qat.errors import UserError, nearest
from qat.evaluation.tasks.classification import CLASSIFICATION
from qat.evaluation.tasks.detection import DETECTION
from qat.evaluation.tasks.keypoints import KEYPOINTS
from qat.evaluation.tasks.segmentation import SEGMENTATION
from qat.evaluation.tasks.task import Frame, Prediction, Tally, Task

TASKS: Mapping[str, Task] = {task.name: task for task in (SEGMENTATION, CLASSIFICATION, DETECTION, KEYPOINTS)}

__all__ = ["DETECTION", "SEGMENTATION", "TASKS", "Frame", "Prediction", "Tally", "Task", "find_task", "task_in"]


def find_task(name: str) -> Task:
    """The task of that name.

    >>> find_task("classification").score
    'top1'
    """
    if name not in TASKS:
        raise UserError(f"no task {name} here; {nearest(name, TASKS)}")
    return TASKS[name]


def task_in(figures: Mapping[str, Any]) -> Task:
    """The task whose score is among `figures`, such as those of metrics.json; segmentation where none is.

    >>> task_in({"top1": 0.9}).score_title
    'top 1'
    """
    return next((task for task in TASKS.values() if task.score in figures), SEGMENTATION)
