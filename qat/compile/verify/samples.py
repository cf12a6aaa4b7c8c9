"""The pictures that every artefact is compared on, and what is predicted of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from qat.evaluation.outputs import Outputs
from qat.evaluation.tasks import SEGMENTATION, Frame, Prediction, Tally, Task

Run = Callable[[Tensor], Outputs]  # a picture as the network or artefact takes it -> outputs, or classes


@dataclass(frozen=True)
class ParitySample:
    """`normalised` (1, 3, H, W) float32; `image`: the same as the artefacts take it; `label`: None without.

    `canvas`: height and width that the logits span where the picture is padded (`qat.data.fit`); None: `size`.
    `sides`, `pictures`: as of `Frame`.
    """

    name: str
    normalised: Tensor
    image: Tensor
    label: Tensor | None
    size: tuple[int, int]  # height and width of the label, or of the picture as it was
    canvas: tuple[int, int] | None = None
    sides: tuple[float, ...] | None = None
    pictures: tuple[tuple[int, int], ...] | None = None


def predictions(
    run: Run, inputs: Sequence[Tensor], samples: Sequence[ParitySample], align_corners: bool, task: Task = SEGMENTATION
) -> list[Prediction]:
    """What `task` makes of the outputs of `run`, for each sample; of segmentation classes uint8 (1, h, w)."""
    with torch.inference_mode():
        return [
            task.predict(run(image), Frame(sample.size, sample.canvas, align_corners, sample.sides, sample.pictures))
            for image, sample in zip(inputs, samples, strict=True)
        ]


def agreement(first: Sequence[Prediction], second: Sequence[Prediction], task: Task = SEGMENTATION) -> float:
    """The share (0 to 1) of predictions that are the same in two lists, such as of pixels' classes."""
    return same_of(compared(first, second, task))


def same_of(tally: Tally) -> float:
    """The share of a tally that has compared something."""
    assert tally.same is not None  # there is a sample
    return tally.same


def compared(first: Sequence[Prediction], second: Sequence[Prediction], task: Task) -> Tally:
    """The tally of the predictions of one list against those of the other."""
    tally = task.tally(1)
    for one, other in zip(first, second, strict=True):
        tally.compare(one, other)
    return tally


def score(
    chosen: Sequence[Prediction], samples: Sequence[ParitySample], num_classes: int, task: Task = SEGMENTATION
) -> float | None:
    """The score of `chosen` over the samples that have labels; None where none has."""
    tally = task.tally(num_classes)
    for one, sample in zip(chosen, samples, strict=True):
        if sample.label is not None:
            tally.score(one, sample.label[None])
    return tally.main
