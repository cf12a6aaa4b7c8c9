"""The pictures that every artefact is compared on, and their classes at label size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from qat.evaluation import ConfusionMatrix
from qat.evaluation.upsample import upsample_argmax

Run = Callable[[Tensor], Tensor]  # a picture as the network or artefact takes it -> logits, or classes


@dataclass(frozen=True)
class ParitySample:
    """`normalised` (1, 3, H, W) float32; `image`: the same as the artefacts take it; `label` (h, w), None without.

    `canvas`: height and width that the logits span where the picture is padded (`qat.data.fit`); None: `size`.
    """

    name: str
    normalised: Tensor
    image: Tensor
    label: Tensor | None
    size: tuple[int, int]  # height and width of the label, or of the picture as it was
    canvas: tuple[int, int] | None = None


def classes(run: Run, inputs: Sequence[Tensor], samples: Sequence[ParitySample], align_corners: bool) -> list[Tensor]:
    """The class (h, w) of every pixel of every sample, by `run` of `inputs`."""
    with torch.inference_mode():
        return [
            _at_label_size(run(image), sample, align_corners) for image, sample in zip(inputs, samples, strict=True)
        ]


def _at_label_size(output: Tensor, sample: ParitySample, align_corners: bool) -> Tensor:
    (height, width), canvas = sample.size, sample.canvas or sample.size
    if output.ndim == 4:
        return upsample_argmax(output.float(), sample.size, align_corners, canvas)[0].to(torch.int64)
    if tuple(output.shape[1:]) != canvas:
        output = torch.nn.functional.interpolate(output[None].float(), canvas, mode="nearest")[0]
    return output[0, :height, :width].to(torch.int64)


def agreement(first: Sequence[Tensor], second: Sequence[Tensor]) -> float:
    """The share (0 to 1) of all pixels on which two lists of classes agree."""
    pairs = list(zip(first, second, strict=True))
    return sum(int((a == b).sum()) for a, b in pairs) / sum(a.numel() for a, _ in pairs)


def mean_iou(chosen: Sequence[Tensor], samples: Sequence[ParitySample], num_classes: int) -> float | None:
    """mIoU of the `chosen` classes over the samples that have labels; None where none has."""
    matrix, labelled = ConfusionMatrix(num_classes), 0
    for one, sample in zip(chosen, samples, strict=True):
        if sample.label is not None:
            matrix.update(one[None], sample.label[None])
            labelled += 1
    return matrix.scores().mean_iou if labelled else None
