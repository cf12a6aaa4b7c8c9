"""Flip and multi-scale testing: TEST.FLIP_TEST and TEST.MULTI_SCALE, of the float network alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import interpolate
from yacs.config import CfgNode

from qat.data import SegmentationDataset, data_loader
from qat.data.transforms import normalise
from qat.evaluation import ConfusionMatrix
from qat.evaluation.augmented import SCALES, Augmented, Logits, augmented_scores
from qat.workflow.load import load_stage, stage_device
from qat.workflow.progress import Progress, counter
from qat.workflow.settings import fit_of


@dataclass(frozen=True)
class AugmentedTest:
    """What was done, in words, mIoU and each class's IoU (0 to 1; None where there is none), and the pictures."""

    title: str
    mean_iou: float
    class_iou: tuple[float | None, ...]
    images: int

    def __str__(self) -> str:
        """The line that eval prints."""
        return f"float with {self.title}: MeanIU {self.mean_iou:.4f}; {self.images} images"


def augmented_of(config: CfgNode) -> Augmented | None:
    """How the test pictures are seen by TEST's keys; None where each is seen once."""
    test = config.TEST
    if not (test.FLIP_TEST or test.MULTI_SCALE):
        return None
    width, height = test.IMAGE_SIZE
    scales = SCALES if test.MULTI_SCALE else (1.0,)
    return Augmented(bool(test.FLIP_TEST), scales, max(width, height), (height, width), config.MODEL.ALIGN_CORNERS)


def augmented_test(
    config: CfgNode, how: Augmented, dataset: SegmentationDataset, names: list[str], progress: Progress
) -> AugmentedTest:
    """Score the float network on labelled pictures, each seen several times.

    Args:
        config: the run's config.
        how: flip, scales, windows.
        dataset: of DATASET.TEST_SET, with labels.
        names: of the evaluated pictures, the first of the data set.
        progress: called with the pictures done, the number of pictures, and a text.

    Returns:
        The scores; nothing is written, since the stages are held against float as it is deployed.
    """
    matrix, advance = (
        ConfusionMatrix(config.DATASET.NUM_CLASSES),
        counter(progress, len(names), f"float with {how.title}"),
    )
    place, logits = stage_device(config, "float"), _logits(config)
    for x, label in _pictures(config, dataset, len(names), place):
        scores = augmented_scores(logits, x, how)
        sized = interpolate(scores, label.shape[1:], mode="bilinear", align_corners=how.align_corners)
        matrix.update((scores if scores.shape[2:] == label.shape[1:] else sized).argmax(1).cpu(), label)
        advance(1, f"mIoU {matrix.scores().mean_iou:.4f}")
    found = matrix.scores()
    return AugmentedTest(how.title, found.mean_iou, found.class_iou, len(names))


def _pictures(
    config: CfgNode, dataset: SegmentationDataset, count: int, place: torch.device
) -> Iterator[tuple[Tensor, Tensor]]:
    """Normalised pictures (1, 3, H, W) with their labels (1, H, W)."""
    data = config.DATASET
    for batch in data_loader(dataset, 1, config.WORKERS, indices=range(count)):
        yield normalise(batch["image"], data.MEAN, data.STD, place), batch["label"]


def _logits(config: CfgNode) -> Logits:
    """The float network; pictures whose sides it can't take are padded, and their logits cut."""
    model, fit, corners = load_stage(config, "float"), fit_of(config), config.MODEL.ALIGN_CORNERS

    def logits(x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        full = fit.padded(x)
        spread = interpolate(model(full), tuple(full.shape[2:]), mode="bilinear", align_corners=corners)
        return spread[..., :height, :width]

    return logits
