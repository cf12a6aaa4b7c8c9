"""A sample of a pose network: a person cut out of its picture, and its points there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qat.data.person_file import Person
from qat.deploy.person_crop import PersonCrop, Size, whole_picture
from qat.errors import UserError

Picture = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class PersonLabel:
    """How a person is cut out and labelled, as `qat.data.encodings.Encoding` reads a label of pixels.

    `size`: width and height that it is cut to. `person`: None where the whole picture is one, without labels.
    """

    size: Size
    person: Person | None = None
    name: str = "keypoints"
    per_pixel: bool = False
    unit: str = "points"

    def cut(self, image: Picture) -> tuple[Picture, float]:
        """The person in a picture (H, W, C), and the longer side of its box there in pixels."""
        crop = whole_picture(image, self.size) if self.person is None else PersonCrop(self.person.box, self.size)
        return crop.cut(image), crop.longer_side

    def read(self, path: Path) -> NDArray[np.float32]:
        """(points, 4) float32: x and y in the crop's pixels, COCO's mark, the person's area in the crop's pixels."""
        assert self.person is not None  # who has none has no label
        crop = PersonCrop(self.person.box, self.size)
        area = np.full(len(self.person.points), self.person.area * crop.scale**2)
        return np.column_stack([crop.into(self.person.points), area]).astype(np.float32)

    def decode(self, label: NDArray[np.float32], num_classes: int, path: Path) -> NDArray[np.float32]:
        """The same points; UserError for another number than the network's."""
        if len(label) != num_classes:
            raise UserError(f"label {path} has {len(label)} points a person; DATASET.NUM_CLASSES is {num_classes}")
        return label

    @property
    def meaning(self) -> str:
        """What its values mean, for records."""
        return f"{self.name} {self.size[0]}x{self.size[1]}"

    @property
    def part(self) -> str:
        """Which part of its picture it shows, for records; "" for the whole."""
        return "" if self.person is None else f"{self.person.box}"
