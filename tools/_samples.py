"""Pictures of the val list for the analysis, and how many of them there may be."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn
from yacs.config import CfgNode

import datasets
from datasets.transforms import normalise
from qat import stages
from qat.analyse.subject import Sample
from qat.errors import UserError


def check_budgets(cfg: CfgNode, dataset: datasets.SegmentationDataset) -> None:
    """UserError where DEBUG asks for more images than there are."""
    for key in ("IMAGES", "SENSITIVITY_IMAGES"):
        if cfg.DEBUG[key] > len(dataset):
            raise UserError(
                f"DEBUG.{key} is {cfg.DEBUG[key]} and DATASET.TEST_SET {cfg.DATASET.TEST_SET} has {len(dataset)} "
                f"images; set DEBUG.{key} {len(dataset)} or less"
            )


def samples(cfg: CfgNode, dataset: datasets.SegmentationDataset, count: int) -> Iterator[Sample]:
    """`count` pictures, spread evenly over the list."""
    sized = stages.Sized(nn.Identity(), cfg.TEST.IMAGE_SIZE)
    for batch in datasets.loader(dataset, 1, cfg.WORKERS, indices=datasets.spread(len(dataset), count)):
        image, label = batch["image"], batch.get("label")
        height, width = image.shape[1:3] if label is None else label.shape[1:]
        normalised = normalise(image, cfg.DATASET.MEAN, cfg.DATASET.STD)
        yield Sample(batch["name"][0], sized(normalised), label, (height, width))
