"""Labels of whole pictures: the folder that a picture lies in is named after its class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from qat.data.augmentation import Picture, jitter
from qat.deploy.normalise import lookup, table
from qat.errors import UserError, nearest

LEAST_SHARE = 0.6  # of a picture's sides that training sees


@dataclass(frozen=True)
class ClassFolder:
    """How the class is read, as `qat.data.encodings.Encoding` reads a label of pixels. `names`: of the classes."""

    names: tuple[str, ...]
    name: str = "folders"
    per_pixel: bool = False
    unit: str = "pictures"

    def read(self, path: Path) -> NDArray[np.int64]:
        """(1,) int64: the class of the picture at `path`; UserError for a folder that is named after none.

        >>> ClassFolder(("car", "bus")).read(Path("val/bus/0001.png"))
        array([1])
        """
        if path.parent.name not in self.names:
            raise UserError(
                f"picture {path} lies in {path.parent.name}, which is no class of the data set's descriptor; "
                f"{nearest(path.parent.name, self.names)}"
            )
        return np.array([self.names.index(path.parent.name)])

    def decode(self, label: NDArray[np.int64], num_classes: int, path: Path) -> NDArray[np.int64]:
        """The same class; UserError for one that the network doesn't have."""
        if label[0] >= num_classes:
            raise UserError(f"picture {path} is of class {label[0]}; DATASET.NUM_CLASSES is {num_classes}")
        return label

    @property
    def meaning(self) -> str:
        """What its values mean, for records."""
        return f"{self.name} {' '.join(self.names)}"


def scaled(image: Picture, size: tuple[int, int]) -> Picture:
    """The whole picture (H, W, C), stretched to `size`, width and height."""
    if image.shape[1::-1] == tuple(size):
        return image
    smaller = size[0] < image.shape[1] and size[1] < image.shape[0]
    found = cv2.resize(image, size, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)
    return found.reshape(size[1], size[0], image.shape[2])  # type: ignore[return-value]


@dataclass(frozen=True)
class ClassTransform:
    """The training transform of whole pictures: a random part, stretched to `crop` (width, height), flip, colour.

    `mean`, `std`: of RGB / 255. `color`: strength of random brightness, contrast and saturation. `parts`: whether a
    random part is taken, else the whole.
    """

    crop: tuple[int, int]
    mean: Sequence[float]
    std: Sequence[float]
    parts: bool = True
    flip: bool = True
    color: float = 0.0

    def __call__(
        self, image: Picture, label: NDArray[np.int64] | None, rng: np.random.Generator
    ) -> dict[str, torch.Tensor]:
        """(H, W, 3) and (1,) -> image float32 (3, h, w), label int64 (1,)."""
        if label is None:
            raise UserError("training needs labels; DATASET.TRAIN_SET names a split or list without them")
        image = scaled(_part(image, rng) if self.parts else image, self.crop)
        if self.flip and rng.integers(2):
            image = np.ascontiguousarray(image[:, ::-1])
        normalised = lookup(jitter(image, self.color, rng), table(self.mean, self.std))
        return {"image": torch.from_numpy(normalised).permute(2, 0, 1), "label": torch.from_numpy(label)}


def _part(image: Picture, rng: np.random.Generator) -> Picture:
    height, width = image.shape[:2]
    rows, columns = (max(1, round(side * rng.uniform(LEAST_SHARE, 1))) for side in (height, width))
    top, left = int(rng.integers(height - rows + 1)), int(rng.integers(width - columns + 1))
    return image[top : top + rows, left : left + columns]
