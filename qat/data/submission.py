"""What a benchmark's server takes: predictions as label files, in the data set's own ids, by city and frame."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from qat.data.descriptor import Descriptor
from qat.data.listing import Pattern
from qat.errors import UserError

ENDING = "_labelIds.png"


def id_table(descriptor: Descriptor, num_classes: int) -> NDArray[np.uint8]:
    """The label files' value of each train id (256,); 255 for what no class has.

    Args:
        descriptor: of the data set; a class with several ids is written as its first.
        num_classes: of the network.

    Returns:
        uint8 (256,), for `cv2.LUT`.

    Raises:
        UserError: where label files say the class by its colour, and where the network has other classes.

    Example:
        >>> from qat.data import read_descriptor
        >>> id_table(read_descriptor("cityscapes"), 19)[[0, 18]].tolist()
        [7, 33]
    """
    if descriptor.coloured:
        raise UserError(
            f"labels of {descriptor.name} say the class by its colour; a submission is of labelIds, as Cityscapes' is"
        )
    if num_classes != len(descriptor.classes):
        raise UserError(
            f"DATASET.NUM_CLASSES is {num_classes} and {descriptor.name} has {len(descriptor.classes)} classes with "
            "ids; a submission needs the data set's own"
        )
    table = np.full(256, 255, np.uint8)
    table[:num_classes] = [one.ids[0] for one in descriptor.classes]
    return table


def member(name: str, descriptor: Descriptor, subset: str) -> str:
    """The path in the archive of the picture `name`: its folders below the split, its frame, `_labelIds.png`.

    Cityscapes' server finds `<city>_<sequence>_<frame>*.png` in any folder (mcordts/cityscapesScripts,
    evaluation/evalPixelLevelSemanticLabeling.py, getPrediction).

    >>> from qat.data import read_descriptor
    >>> member("leftImg8bit/test/bonn/bonn_000000_000019_leftImg8bit", read_descriptor("cityscapes"), "test")
    'bonn/bonn_000000_000019_labelIds.png'
    """
    pattern = Pattern.of(descriptor.images, Path(subset).stem)
    below = name.removeprefix(f"{pattern.folder.as_posix()}/").removesuffix(Path(pattern.ending).stem)
    return f"{below}{ENDING}"


def encoded(classes: NDArray[np.uint8], table: NDArray[np.uint8]) -> bytes:
    """Train ids (H, W) as the bytes of a PNG file of one channel."""
    done, data = cv2.imencode(".png", cv2.LUT(classes, table))
    assert done  # any (H, W) uint8 fits
    return data.tobytes()
