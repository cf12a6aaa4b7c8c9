"""From a config to a dataset."""

from __future__ import annotations

from collections.abc import Callable

from yacs.config import CfgNode

from qat.data.camvid import camvid
from qat.data.cityscapes import cityscapes
from qat.data.labels import CAMVID, CITYSCAPES, ClassSet
from qat.data.segmentation import SegmentationDataset, Transform
from qat.data.streets_dataset import streets
from qat.errors import UserError, nearest

_DATASETS: dict[str, Callable[[CfgNode, str, Transform], SegmentationDataset]] = {
    "cityscapes": cityscapes,
    "camvid": camvid,
    "streets": streets,
}
_SUBSETS = {"train": "TRAIN_SET", "val": "TEST_SET"}


def build_dataset(cfg: CfgNode, split: str, transform: Transform) -> SegmentationDataset:
    """The dataset DATASET.DATASET; split `train` reads DATASET.TRAIN_SET, `val` reads DATASET.TEST_SET.

    Sorted by image path. Raises UserError for whatever is missing or empty; what can be seen only in a file's pixels is
    raised when its sample is read.
    """
    if cfg.DATASET.DATASET not in _DATASETS:
        raise UserError(f"DATASET.DATASET is {cfg.DATASET.DATASET!r}; {nearest(cfg.DATASET.DATASET, _DATASETS)}")
    if split not in _SUBSETS:
        raise UserError(f"split is {split!r}; {nearest(split, _SUBSETS)}")
    return _DATASETS[cfg.DATASET.DATASET](cfg, cfg.DATASET[_SUBSETS[split]], transform)


def class_set(cfg: CfgNode) -> ClassSet:
    """Names and colours of DATASET.DATASET's classes, without reading any picture."""
    classes = CAMVID if cfg.DATASET.DATASET == "camvid" else CITYSCAPES
    return classes.resized(cfg.DATASET.NUM_CLASSES)
