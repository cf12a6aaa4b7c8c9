"""Where pixels come from: cityscapes, camvid, streets (generated), folders."""

from datasets.building import build
from datasets.loading import Loader, loader
from datasets.order import spread
from datasets.segmentation import SegmentationDataset

__all__ = ["Loader", "SegmentationDataset", "build", "loader", "spread"]
