"""Classification: a class for every picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from qat.deploy.top_classes import top_classes
from qat.errors import UserError
from qat.evaluation.distance import Changes
from qat.evaluation.outputs import Outputs
from qat.evaluation.tasks.class_drawing import ClassDrawing
from qat.evaluation.tasks.task import Frame, Task


class ClassificationTally:
    """Pictures by label that are right at once, and among five; and those whose first class isn't float's.

    >>> tally = ClassificationTally(3)
    >>> frame = Frame((8, 8))
    >>> tally.score(predict(torch.tensor([[3.0, 2.0, 1.0], [2.0, 3.0, 1.0]]), frame), torch.tensor([0, 2]))
    >>> tally.scores(("car", "bus", "van"))["top1"], tally.scores(("car", "bus", "van"))["class_top1"]["van"]
    (0.5, 0.0)
    """

    def __init__(self, num_classes: int) -> None:
        self.right = torch.zeros(3, num_classes, dtype=torch.int64)  # pictures, right ones, right among five
        self.first, self.five = Changes(), Changes()

    def score(self, prediction: Sequence[Tensor], label: Tensor) -> None:
        """The likeliest classes (N, five, 2) and the right one (N) or (N, 1)."""
        label, kinds = label.flatten(), _kinds(prediction)
        wrong = label[(label < 0) | (label >= self.right.shape[1])]
        if len(wrong):
            raise UserError(f"a label is class {int(wrong[0])}; expected 0 to {self.right.shape[1] - 1}")
        hit = kinds.cpu() == label.cpu()[:, None]
        for row, found in enumerate((torch.ones(len(label), dtype=torch.bool), hit[:, 0], hit.any(1))):
            self.right[row] += torch.bincount(label.cpu()[found], minlength=self.right.shape[1])

    def compare(self, prediction: Sequence[Tensor], expected: Sequence[Tensor]) -> None:
        """The likeliest classes (N, five, 2) of both: the first one, and whether float's first is among the five."""
        own, before = _kinds(prediction), _kinds(expected)
        self.first.update(own[:, 0], before[:, 0])
        among = (own == before[:, :1].to(own.device)).any(1)
        self.five.update(among, torch.ones_like(among))

    def merge(self, other: ClassificationTally) -> None:
        """Add the pictures of another part of the set."""
        self.right += other.right
        self.first.merge(other.first)
        self.five.merge(other.five)

    @property
    def labelled(self) -> bool:
        """Whether any picture had a label."""
        return bool(self.right[0].any())

    @property
    def main(self) -> float | None:
        """Top-1 accuracy."""
        return self._share(1)

    @property
    def same(self) -> float | None:
        """The share of pictures that keep float's first class."""
        return self.first.same

    @property
    def apart(self) -> int:
        """The pictures that were compared."""
        return int(self.first.total)

    def _share(self, row: int) -> float | None:
        return int(self.right[row].sum()) / int(self.right[0].sum()) if self.labelled else None

    def scores(self, names: Sequence[str]) -> dict[str, Any]:
        """`top1`, `top5`, and `class_top1` by name: the share of its pictures, None for a class without any."""
        of_class = [right / count if count else None for count, right in zip(*self.right[:2].tolist(), strict=True)]
        return {"top1": self.main, "top5": self._share(2), "class_top1": dict(zip(names, of_class, strict=True))}

    def distances(self) -> dict[str, float]:
        """`top1_changed`: the share of pictures with another first class; `top5_left`: without float's among five."""
        if self.first.share is None or self.five.share is None:
            return {}
        return {"top1_changed": self.first.share, "top5_left": self.five.share}


def predict(outputs: Outputs, frame: Frame) -> Tensor:
    """The likeliest classes (N, five at most, 2) of logits (N, classes): class and chance; of equals the first first.

    >>> predict(torch.tensor([[0.0, 2.0, 0.0]]), Frame((8, 8)))[0, :, 0]
    tensor([1., 0., 2.], dtype=torch.float64)
    """
    assert isinstance(outputs, Tensor)
    return torch.from_numpy(top_classes(outputs.float().cpu().numpy()))


def _kinds(prediction: Sequence[Tensor]) -> Tensor:
    """Classes int64 (N, five) of a batch's predictions."""
    return torch.stack(list(prediction))[:, :, 0].long()


def fault(outputs: object, num_classes: int) -> str:
    """What was expected of a network's outputs; "" for logits."""
    flat = isinstance(outputs, Tensor) and outputs.ndim in (2, 4) and outputs.shape[1] == num_classes
    if flat and outputs.shape[2:].numel() == 1:  # type: ignore[attr-defined]
        return ""
    return f"logits (N, {num_classes}), one a class: check DATASET.NUM_CLASSES and MODEL.OUTPUT"


CLASSIFICATION = Task(
    name="classification",
    predict=predict,
    tally=ClassificationTally,
    fault=fault,
    score="top1",
    score_title="top 1",
    second="top5",
    second_title="top 5",
    classes="class_top1",
    class_title="top 1",
    changed="top1_changed",
    changed_title="top 1\nchanged",
    unit="pictures",
    kept="first classes, picture by picture",
    drawing=ClassDrawing(),
)
