"""Where pixels come from: cityscapes, camvid, streets (generated), folders."""

from qat.data.loading import Loader, data_loader
from qat.data.registry import build_dataset, class_set
from qat.data.sampling import evenly_spaced, held_out
from qat.data.segmentation import SegmentationDataset

__all__ = ["Loader", "SegmentationDataset", "build_dataset", "class_set", "data_loader", "evenly_spaced", "held_out"]
