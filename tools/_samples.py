"""Pictures of the val list for the analysis, and how many of them there may be."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn
from yacs.config import CfgNode

from qat.analysis.networks import Sample
from qat.data import SegmentationDataset, data_loader, evenly_spaced
from qat.data.transforms import normalise
from qat.errors import UserError
from qat.workflow import stages


def check_budgets(cfg: CfgNode, dataset: SegmentationDataset) -> None:
    """UserError where DEBUG asks for more images than there are."""
    for key in ("IMAGES", "SENSITIVITY_IMAGES"):
        if cfg.DEBUG[key] > len(dataset):
            raise UserError(
                f"DEBUG.{key} is {cfg.DEBUG[key]} and DATASET.TEST_SET {cfg.DATASET.TEST_SET} has {len(dataset)} "
                f"images; set DEBUG.{key} {len(dataset)} or less"
            )


def samples(cfg: CfgNode, dataset: SegmentationDataset, count: int) -> Iterator[Sample]:
    """`count` pictures, spread evenly over the list."""
    sized = stages.Sized(nn.Identity(), cfg.TEST.IMAGE_SIZE)
    for batch in data_loader(dataset, 1, cfg.WORKERS, indices=evenly_spaced(len(dataset), count)):
        image, label = batch["image"], batch.get("label")
        height, width = image.shape[1:3] if label is None else label.shape[1:]
        normalised = normalise(image, cfg.DATASET.MEAN, cfg.DATASET.STD)
        yield Sample(batch["name"][0], sized(normalised), label, (height, width))
