"""Class names, colours and weights; the tables from the files' label values to train ids.

Cityscapes ids, names and colours: Cordts et al., "The Cityscapes Dataset" (CVPR 2016), table of label definitions.
CamVid: the 11 classes of SegNet's split, in its order; colours of the CamVid database (Brostow et al., 2008).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

IGNORE = 255

# train id order: labelId, name, colour
_CITYSCAPES = (
    (7, "road", (128, 64, 128)),
    (8, "sidewalk", (244, 35, 232)),
    (11, "building", (70, 70, 70)),
    (12, "wall", (102, 102, 156)),
    (13, "fence", (190, 153, 153)),
    (17, "pole", (153, 153, 153)),
    (19, "traffic light", (250, 170, 30)),
    (20, "traffic sign", (220, 220, 0)),
    (21, "vegetation", (107, 142, 35)),
    (22, "terrain", (152, 251, 152)),
    (23, "sky", (70, 130, 180)),
    (24, "person", (220, 20, 60)),
    (25, "rider", (255, 0, 0)),
    (26, "car", (0, 0, 142)),
    (27, "truck", (0, 0, 70)),
    (28, "bus", (0, 60, 100)),
    (31, "train", (0, 80, 100)),
    (32, "motorcycle", (0, 0, 230)),
    (33, "bicycle", (119, 11, 32)),
)
_CAMVID = (
    ("Sky", (128, 128, 128)),
    ("Building", (128, 0, 0)),
    ("Pole", (192, 192, 128)),
    ("Road", (128, 64, 128)),
    ("Pavement", (0, 0, 192)),
    ("Tree", (128, 128, 0)),
    ("SignSymbol", (192, 128, 128)),
    ("Fence", (64, 64, 128)),
    ("Car", (64, 0, 128)),
    ("Pedestrian", (64, 64, 0)),
    ("Bicyclist", (0, 128, 192)),
)

CITYSCAPES_CLASSES = tuple(name for _, name, _ in _CITYSCAPES)
CITYSCAPES_PALETTE = np.array([colour for _, _, colour in _CITYSCAPES], np.uint8)
# of the loss when LOSS.CLASS_BALANCE is set: the numbers that HRNet and PIDNet publish for the Cityscapes training set
CITYSCAPES_WEIGHTS = (
    *(0.8373, 0.9180, 0.8660, 1.0345, 1.0166, 0.9969, 0.9754, 1.0489, 0.8786, 1.0023),
    *(0.9539, 0.9843, 1.1116, 0.9037, 1.0865, 1.0955, 1.0865, 1.1529, 1.0507),
)
CITYSCAPES_LABEL_IDS = tuple(label_id for label_id, _, _ in _CITYSCAPES)
LABELID_TO_TRAINID = np.full(256, IGNORE, np.uint8)
LABELID_TO_TRAINID[list(CITYSCAPES_LABEL_IDS)] = np.arange(len(_CITYSCAPES), dtype=np.uint8)

CAMVID_CLASSES = tuple(name for name, _ in _CAMVID)
CAMVID_PALETTE = np.array([colour for _, colour in _CAMVID], np.uint8)
CAMVID_VOID = 11


@dataclass(frozen=True)
class ClassSet:
    """What a data set's classes are called, how they are drawn and how much each weighs in a balanced loss."""

    names: tuple[str, ...]
    palette: NDArray[np.uint8]  # (classes, 3) RGB
    weights: tuple[float, ...] | None = None

    def resized(self, num_classes: int) -> ClassSet:
        """The set itself, or numbered classes where a user's data has another number of them (own train ids)."""
        if num_classes == len(self.names):
            return self
        names = tuple(f"class {index}" for index in range(num_classes))
        return ClassSet(names, np.resize(self.palette, (num_classes, 3)))


CITYSCAPES = ClassSet(CITYSCAPES_CLASSES, CITYSCAPES_PALETTE, CITYSCAPES_WEIGHTS)
CAMVID = ClassSet(CAMVID_CLASSES, CAMVID_PALETTE)
