"""The training transform of persons that are cut out: random scale, turn, place, flip and colour, and their points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from qat.data.augmentation import Picture, jitter
from qat.deploy.normalise import lookup, table
from qat.errors import UserError

SCALES = (0.75, 1.25)  # as mmpose's scale_factor of .25
MOST_TURN = 30.0  # degrees, as its rot_factor
TURNED = 0.6  # share of the pictures
MOST_SHIFT = 0.05  # of the sides
_HALF = 0.5  # a pixel's centre from its corner
Points = NDArray[np.float32]


@dataclass(frozen=True)
class PersonTransform:
    """`crop`: width, height. `mean`, `std`: of RGB / 255. `color`: strength of random brightness, contrast, saturation.

    `places`: whether scale, turn and place are random. `mirrored`: of each point, which one it is in a mirror.
    """

    crop: tuple[int, int]
    mean: Sequence[float]
    std: Sequence[float]
    mirrored: tuple[int, ...]
    places: bool = True
    flip: bool = True
    color: float = 0.0

    def __call__(self, image: Picture, label: Points | None, rng: np.random.Generator) -> dict[str, torch.Tensor]:
        """(H, W, 3) and (points, 4) as `PersonLabel.read` -> image float32 (3, h, w), label float32 (points, 4)."""
        if label is None:
            raise UserError("training needs labels; DATASET.TRAIN_SET names a split or list without them")
        matrix = self._matrix(image, rng)
        flips = self.flip and bool(rng.integers(2))
        if flips:
            matrix = np.array([[-1.0, 0, self.crop[0]], [0, 1, 0], [0, 0, 1]]) @ matrix
        seen = cv2.warpAffine(image, _of_centres(matrix), self.crop, flags=cv2.INTER_LINEAR)
        points = _moved(label[list(self.mirrored)] if flips else label, matrix, self.crop)
        normalised = lookup(jitter(seen, self.color, rng), table(self.mean, self.std))  # type: ignore[arg-type]
        return {"image": torch.from_numpy(normalised).permute(2, 0, 1), "label": torch.from_numpy(points)}

    def _matrix(self, image: Picture, rng: np.random.Generator) -> NDArray[np.float64]:
        """(3, 3), from the picture's places to the crop's, about the middle of both."""
        height, width = image.shape[:2]
        scale, turn, shift = self.crop[0] / width, 0.0, np.zeros(2)
        if self.places:
            scale *= rng.uniform(*SCALES)
            turn = np.radians(rng.uniform(-MOST_TURN, MOST_TURN)) * (rng.random() < TURNED)
            shift = rng.uniform(-MOST_SHIFT, MOST_SHIFT, 2) * self.crop
        linear = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        middle = np.array(self.crop) / 2 + shift - linear @ [width / 2, height / 2]
        return np.vstack([np.column_stack([linear, middle]), [0, 0, 1]])


def _of_centres(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """(2, 3): the same between pixels' numbers, whose centres lie half a pixel from their corners."""
    moved: NDArray[np.float64] = matrix[:2].copy()
    moved[:, 2] += matrix[:2, :2] @ [_HALF, _HALF] - _HALF
    return moved


def _moved(points: Points, matrix: NDArray[np.float64], crop: tuple[int, int]) -> Points:
    """Points (n, 4) and their area under `matrix`; those outside the crop have mark 0."""
    places = points[:, :2] @ matrix[:2, :2].T + matrix[:2, 2]
    inside = ((places >= 0) & (places < crop)).all(1)
    area = points[:, 3] * abs(np.linalg.det(matrix[:2, :2]))
    return np.column_stack([places, points[:, 2] * inside, area]).astype(np.float32)


def mirrored(names: Sequence[str]) -> tuple[int, ...]:
    """Which point each is in a mirror: left and right in their names change places.

    >>> mirrored(["nose", "left_eye", "right_eye"])
    (0, 2, 1)
    """
    swapped = (name.replace("left", "\0").replace("right", "left").replace("\0", "right") for name in names)
    return tuple(names.index(other) if other in names else own for own, other in enumerate(swapped))
