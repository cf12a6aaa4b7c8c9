"""The segmentation dataset: from a data set's settings to its entries, and from an entry to a sample."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Dataset

from qat.data.class_folder import scaled
from qat.data.descriptor import BOXES, FOLDERS, KEYPOINTS, ClassSet, Descriptor, Streets
from qat.data.encodings import AUTO, AnyEncoding, encoding_of
from qat.data.image_io import is_turned, read_image
from qat.data.listing import Entry, Pattern, find_split, read_list, split_file
from qat.data.person_label import PersonLabel
from qat.data.persons import persons_of
from qat.data.streets import write, write_boxes, write_crops, write_points
from qat.errors import UserError, nearest
from qat.resources import expand

Image: TypeAlias = NDArray[np.uint8]
Sample: TypeAlias = dict[str, Any]
# image (H, W, 3) RGB, label (H, W) train ids or None, source of randomness -> tensors by name
# of a data set with boxes, objects (n, 5) float32: class and corners as shares of the sides, in place of the train ids
# of one with key points, the picture is a person cut out and the label (points, 4) float32: `PersonLabel.read`
Label: TypeAlias = NDArray[Any]
Transform: TypeAlias = Callable[[Image, Any, np.random.Generator], Mapping[str, Any]]
_log = logging.getLogger(__name__)


class SegmentationDataset(Dataset[Sample]):
    """A sample is the transform's tensors and `name`; its randomness depends on (seed, epoch, index) alone."""

    def __init__(
        self,
        entries: Sequence[Entry],
        encodings: Sequence[AnyEncoding],
        classes: ClassSet,
        transform: Transform,
        seed: int = 0,
        channels: int = 3,
        size: tuple[int, int] | None = None,
    ) -> None:
        """`encodings`: one an entry. `channels`: of the pictures. `size`: width and height to stretch them to."""
        self.entries = list(entries)
        self.encodings = list(encodings)
        self.classes = classes
        self.transform = transform
        self.seed = seed
        self.channels = channels
        self.size = size
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
        image, facts = self._seen(index)
        label = None if entry.label is None else self._beside(index, image)
        rng = np.random.default_rng([self.seed, self.epoch, index])
        return {**self.transform(image, label, rng), "name": entry.name, **facts}

    def _seen(self, index: int) -> tuple[Image, dict[str, float]]:
        """What the network is to see of a picture; of a person also `side`, its box's longer side there in pixels."""
        encoding, image = self.encodings[index], read_image(self.entries[index].image, self.channels)
        if isinstance(encoding, PersonLabel):
            image, side = encoding.cut(image)
            return image, {"side": side}
        return image if self.size is None else scaled(image, self.size), {}

    def label(self, index: int) -> Label:
        """A picture's label: train ids (H, W), 255 ignored, objects (n, 5), points; UserError if it can't be used."""
        path = self.entries[index].label
        assert path is not None  # its caller looked
        encoding: Any = self.encodings[index]
        label: Label = encoding.decode(encoding.read(path), len(self.class_names), path)
        return label

    def _beside(self, index: int, image: Image) -> Label:
        """The label of a picture, as it lies."""
        entry, label = self.entries[index], self.label(index)
        if entry.label == entry.image:  # it says the class of the whole
            return label
        if is_turned(entry.image):
            raise UserError(
                f"image {entry.image} has an EXIF orientation that turns or mirrors it, and its label {entry.label} "
                "has none; write the picture's pixels upright, without the tag, as its label lies"
            )
        if self.encodings[index].per_pixel and label.shape != image.shape[:2]:
            sizes = [f"{array.shape[1]}x{array.shape[0]}" for array in (label, image)]
            raise UserError(
                f"label {entry.label} is {sizes[0]} but its image {entry.image} is {sizes[1]}; expected one size"
            )
        return label


@dataclass(frozen=True)
class DataSpec:
    """The pictures that a run takes.

    `root`: the data set's folder, unless the descriptor's variable names it; may hold `${NAME}`. `train`,
    `val`: splits, or list files relative to the root. `labels`: the files' encoding, auto, labelIds or trainIds.
    `seed`: of random pictures. `streets`: of a generated data set. `channels`: of the pictures. `size`: width and
    height that pictures are stretched to, of a classifier; `person`: that persons are cut to, of a pose network.
    """

    descriptor: Descriptor
    root: str
    train: str
    val: str
    num_classes: int
    labels: str = AUTO
    seed: int = 0
    streets: Streets | None = None
    channels: int = 3
    size: tuple[int, int] | None = None
    person: tuple[int, int] | None = None

    @property
    def subsets(self) -> dict[str, str]:
        """The split or list file of train and of val."""
        return {"train": self.train, "val": self.val}


def build_dataset(spec: DataSpec, split: str, transform: Transform) -> SegmentationDataset:
    """Returns the pictures and labels of `split`, train or val, sorted by image path.

    Raises UserError for anything missing or empty. A mistake in a file's pixels is raised when its sample is read.
    """
    if split not in spec.subsets:
        raise UserError(f"split is {split!r}; {nearest(split, spec.subsets)}")
    subset = spec.subsets[split]
    entries = find_entries(spec, find_root(spec, subset), subset)
    if spec.person is not None:
        return _persons(spec, entries, subset, transform)
    if FOLDERS in spec.descriptor.encodings:
        entries = [replace(entry, label=entry.image) for entry in entries]
    encodings = [encoding_of(entry.label, spec.labels, spec.descriptor, spec.num_classes) for entry in entries]
    return SegmentationDataset(entries, encodings, class_set(spec), transform, spec.seed, spec.channels, spec.size)


def _persons(spec: DataSpec, entries: list[Entry], subset: str, transform: Transform) -> SegmentationDataset:
    """The persons in the pictures, or without labels each whole picture."""
    assert spec.person is not None  # its caller looked
    labels: list[PersonLabel] = [PersonLabel(spec.person)] * len(entries)
    if KEYPOINTS in spec.descriptor.encodings and Path(subset).stem not in spec.descriptor.unlabelled:
        root = find_root(spec, subset)
        files = [split_file(spec.descriptor, base, Path(subset).stem) for base in _bases(spec.descriptor, root)]
        file = next((file for file in files if file.is_file()), files[-1])
        entries, labels = persons_of(entries, file, spec.descriptor.class_set.names, spec.person)
    return SegmentationDataset(entries, labels, class_set(spec), transform, spec.seed, spec.channels)


def class_set(spec: DataSpec) -> ClassSet:
    """Names and colours of the classes, without reading any picture."""
    return spec.descriptor.class_set.resized(spec.num_classes)


def find_root(spec: DataSpec, subset: str) -> Path:
    """Returns the data set's folder; a generated data set is written first if it isn't there."""
    variable = spec.descriptor.root_variable
    from_environment = os.environ.get(variable, "") if variable else ""
    root = Path(from_environment or expand(spec.root, "DATASET.ROOT")).expanduser()
    if spec.streets is not None:
        return _written(root, spec.streets, spec.descriptor)
    if not root.is_dir():
        settable = f"set {variable} or DATASET.ROOT" if variable else "set DATASET.ROOT"
        parts = _parts(spec.descriptor) or (subset,)
        raise UserError(
            f"{variable if from_environment else 'DATASET.ROOT'} {root} is not a folder; "
            f"{settable} to the one that holds {' and '.join(parts)}"
        )
    return root


def find_entries(spec: DataSpec, root: Path, subset: str) -> list[Entry]:
    """Returns the sorted entries of the list file `root/subset`, or of the split of that name.

    Pictures may lie in the root or in its subfolder of the data set's name (where the official PIDNet looks).
    """
    descriptor = spec.descriptor
    bases = _bases(descriptor, root)
    if (root / subset).is_file():
        return read_list(root / subset, bases)
    if not descriptor.images:
        raise UserError(f"no list file {root / subset}; set DATASET.ROOT, TRAIN_SET, TEST_SET")
    split = Path(subset).stem
    folder = Pattern.of(descriptor.images, split).folder
    base = next((base for base in bases if (base / folder).is_dir()), None)
    if base is None:
        expected = f"expected a list file, or images in {bases[-1] / folder}"
        raise UserError(
            f"{subset} is no list file and no split of {root}; {expected}; set DATASET.ROOT, TRAIN_SET, TEST_SET"
        )
    if split != subset:
        _log.info("no list file %s: using the split %s of %s", root / subset, split, base)
    return find_split(descriptor, base, split, spec.labels)


def _bases(descriptor: Descriptor, root: Path) -> list[Path]:
    """Where pictures and labels are looked for."""
    return [base for base in (root / (descriptor.folder or descriptor.name), root) if base.is_dir()]


def streets_folder(root: str | Path, streets: Streets) -> Path:
    """The folder of generated street pictures, which is named after the counts and the seed."""
    return Path(root).expanduser() / f"seed{streets.seed}-train{streets.train}-val{streets.val}"


def _written(root: Path, streets: Streets, descriptor: Descriptor) -> Path:
    """Writes the street pictures, and boxes, crops or points where the descriptor has them; returns their folder."""
    folder = write(streets_folder(root, streets), train=streets.train, val=streets.val, seed=streets.seed)
    if BOXES in descriptor.encodings:
        write_boxes(folder)
    if FOLDERS in descriptor.encodings:
        write_crops(folder)
    if KEYPOINTS in descriptor.encodings:
        write_points(folder)
    return folder


def _parts(descriptor: Descriptor) -> tuple[str, ...]:
    """Returns the names of the folders directly below the root."""
    patterns = (descriptor.images, *(pattern for _, pattern in descriptor.labels))
    return tuple(dict.fromkeys(pattern.split("/")[0] for pattern in patterns if pattern))
