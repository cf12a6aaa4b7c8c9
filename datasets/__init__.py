"""Where pixels come from: cityscapes, camvid, streets (generated), folders."""

from datasets.building import build, class_set
from datasets.loading import Loader, loader
from datasets.order import held_out, spread
from datasets.segmentation import SegmentationDataset

__all__ = ["Loader", "SegmentationDataset", "build", "class_set", "held_out", "loader", "spread"]
