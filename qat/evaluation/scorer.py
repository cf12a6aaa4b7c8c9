"""How far networks are from float, and their score, on a few pictures that stay the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor

from qat.data.fit import AS_IS, Fit
from qat.distributed import ALONE, Group
from qat.errors import UserError
from qat.evaluation.distance import Distance
from qat.evaluation.outputs import Network, Outputs
from qat.evaluation.tasks import SEGMENTATION, Frame, Prediction, Task


class Measure:
    """A network's distance from float and its score, summed over batches; `num_classes`: of the labels."""

    def __init__(self, task: Task, num_classes: int) -> None:
        self.task, self.tally, self.distance = task, task.tally(num_classes), Distance()

    def compare(
        self, outputs: Outputs, prediction: Prediction, reference: Outputs, expected: Prediction, frame: Frame
    ) -> None:
        """Add a batch's outputs and what they predict, against float's."""
        self.distance.update(outputs, reference, frame.size, frame.canvas)
        self.tally.compare(prediction, expected)

    def merge(self, other: Measure) -> None:
        """Add another part of the pictures, which come after these."""
        self.distance.merge(other.distance)
        self.tally.merge(other.tally)


def frame_of(batch: Mapping[str, Any], fit: Fit, align_corners: bool, task: Task) -> Frame:
    """Where a batch's predictions lie: at the size of its label maps, else of its pictures."""
    label = batch.get("label")
    height, width = label.shape[-2:] if label is not None and task.maps else batch["image"].shape[1:3]
    sides = tuple(map(float, batch["side"])) if "side" in batch else None
    return Frame((height, width), fit.canvas((height, width)), align_corners, sides, pictures_in(batch))


def pictures_in(batch: Mapping[str, Any]) -> tuple[tuple[int, int], ...] | None:
    """The own height and width of each picture of a letterboxed batch; None for others."""
    if "picture" not in batch:
        return None
    return tuple((height, width) for height, width in batch["picture"].reshape(-1, 2).tolist())


@dataclass(frozen=True)
class Score:
    """The distance from float on some pictures, and their score (0 to 1), None if they have no labels."""

    logit_sqnr: float  # dB
    changed: float  # share of predictions, 0 to 1
    main: float | None


@dataclass(frozen=True)
class _ScoredPictures:
    """One batch: image uint8 (N, H, W, 3), its labels, and float's outputs and predictions."""

    image: Tensor
    label: Tensor | None
    frame: Frame
    outputs: Outputs
    prediction: Prediction


class Scorer:
    """Scores networks again and again on the same few pictures; float's outputs are computed once."""

    def __init__(
        self,
        reference: Network,
        batches: Iterable[Mapping[str, Any]],
        num_classes: int,
        *,
        to_input: Callable[[Tensor], Tensor],
        align_corners: bool,
        fit: Fit = AS_IS,
        device: str | torch.device = "cpu",
        task: Task = SEGMENTATION,
        group: Group = ALONE,
    ) -> None:
        """`batches`, `to_input`, `align_corners`, `fit` and `task`: as of `evaluate`, but that labels may be missing.

        `reference`: the float network. Both it and the networks to score lie on `device`. `group`: the processes that
        share the batches; each makes a scorer of its own, scores the same networks, and gets the score over all.
        UserError for no batches.
        """
        self.task, self.num_classes, self.align_corners, self.fit = task, num_classes, align_corners, fit
        self.to_input, self.device = to_input, device
        everything = list(batches)
        self.group, own = group, group.share(everything)
        self.pictures = [self._with_reference(reference, batch) for batch in own]
        if not everything:
            raise UserError("no pictures to score; give more training pictures, or lower QUANT.CALIB_IMAGES")

    def __call__(self, network: Network) -> Score:
        """Run `network` over the pictures."""
        measure = Measure(self.task, self.num_classes)
        for picture in self.pictures:
            outputs, prediction = self._run(network, picture.image, picture.frame)
            measure.compare(outputs, prediction, picture.outputs, picture.prediction, picture.frame)
            if picture.label is not None:
                measure.tally.score(prediction, picture.label)
        return cast(Score, self.group.spread(self._score(self.group.gather(measure))))

    def _score(self, parts: Sequence[Measure]) -> Score | None:
        """Of everything, in the first process."""
        if not parts:
            return None
        measure = parts[0]
        for part in parts[1:]:
            measure.merge(part)
        sqnr, same = measure.distance.logit_sqnr, measure.tally.same
        assert sqnr is not None  # there is a picture
        assert same is not None
        return Score(sqnr, measure.tally.distances()[self.task.changed], measure.tally.main)

    def _with_reference(self, reference: Network, batch: Mapping[str, Any]) -> _ScoredPictures:
        frame = frame_of(batch, self.fit, self.align_corners, self.task)
        return _ScoredPictures(batch["image"], batch.get("label"), frame, *self._run(reference, batch["image"], frame))

    def _run(self, network: Network, image: Tensor, frame: Frame) -> tuple[Outputs, Prediction]:
        with torch.no_grad():
            outputs = network(self.to_input(image).to(self.device))
        return outputs, self.task.predict(outputs, frame)
