"""The one dataset class: entries, an encoding and a transform make samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Dataset

from qat.data.descriptor import ClassSet
from qat.data.encodings import Encoding
from qat.data.image_io import read_image, read_label
from qat.data.listing import Entry
from qat.errors import UserError

Image: TypeAlias = NDArray[np.uint8]
Sample: TypeAlias = dict[str, Any]
# image (H, W, 3) RGB, label (H, W) train ids or None, source of randomness -> tensors by name
Transform: TypeAlias = Callable[[Image, Image | None, np.random.Generator], Mapping[str, Any]]


class SegmentationDataset(Dataset[Sample]):
    """A sample is the transform's tensors and `name`; its randomness depends on (seed, epoch, index) alone."""

    def __init__(
        self,
        entries: Sequence[Entry],
        encodings: Sequence[Encoding],
        classes: ClassSet,
        transform: Transform,
        seed: int = 0,
    ) -> None:
        """`encodings`: one an entry."""
        self.entries = list(entries)
        self.encodings = list(encodings)
        self.classes = classes
        self.transform = transform
        self.seed = seed
        self.epoch = 0

    @property
    def names(self) -> list[str]:
        """Unique name of each sample: its image's relative path without suffix."""
        return [entry.name for entry in self.entries]

    @property
    def image_paths(self) -> list[Path]:
        """Image file of each sample."""
        return [entry.image for entry in self.entries]

    @property
    def class_names(self) -> tuple[str, ...]:
        """Name of each train id."""
        return self.classes.names

    @property
    def palette(self) -> Image:
        """(classes, 3) RGB colour of each train id."""
        return self.classes.palette

    @property
    def class_weights(self) -> tuple[float, ...] | None:
        """Published weights for a balanced loss, where there are any."""
        return self.classes.weights

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose random pictures and order come next; call it before iterating over a loader."""
        self.epoch = epoch

    def __len__(self) -> int:
        """The number of images."""
        return len(self.entries)

    def __getitem__(self, index: int) -> Sample:
        """Sample `index`; UserError with the file's name if the image or label can't be used."""
        entry = self.entries[index]
        image = read_image(entry.image)
        label = self._label(index, image)
        rng = np.random.default_rng([self.seed, self.epoch, index])
        return {**self.transform(image, label, rng), "name": entry.name}

    def _label(self, index: int, image: Image) -> Image | None:
        entry = self.entries[index]
        if entry.label is None:
            return None
        label = read_label(entry.label)
        if label.shape != image.shape[:2]:
            sizes = [f"{array.shape[1]}x{array.shape[0]}" for array in (label, image)]
            raise UserError(
                f"label {entry.label} is {sizes[0]} but its image {entry.image} is {sizes[1]}; expected one size"
            )
        return self.encodings[index].decode(label, len(self.class_names), entry.label)
