"""Data sets: descriptors, list files and folders, generated streets, transforms and batches."""

from qat.data.descriptor import Descriptor, digest
from qat.data.descriptor_file import built_in_digest, read_descriptor
from qat.data.loading import Loader, data_loader, evenly_spaced, held_out
from qat.data.segmentation import DataSpec, SegmentationDataset, build_dataset, class_set

__all__ = [
    "DataSpec",
    "Descriptor",
    "Loader",
    "SegmentationDataset",
    "build_dataset",
    "built_in_digest",
    "class_set",
    "data_loader",
    "digest",
    "evenly_spaced",
    "held_out",
    "read_descriptor",
]
