"""A data set's descriptor: its classes, where its pictures and labels lie, how label values become train ids."""

from __future__ import annotations

import colorsys
import json
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from qat.files import sha256_text

LABEL_IDS, TRAIN_IDS = "labelIds", "trainIds"  # the encodings that a label file can be in
BOXES = "boxes"  # or it has the boxes of objects: `qat.data.box_file`
FOLDERS = "folders"  # or a picture's folder says its class: `qat.data.class_folder`
KEYPOINTS = "keypoints"  # or a file has the points of persons in many pictures: `qat.data.person_file`
PLACE = ("root", "root_variable", "folder")  # where a data set lies: on another machine it is the same data set
_COLOURED = ("coloured", "void_colours")
_POINTS = ("skeleton", "sigmas")
IGNORE = 255  # the train id that neither losses nor scores count


@dataclass(frozen=True)
class DataClass:
    """A class: its name, the label files' values that mean it, its colour (RGB), its weight in a balanced loss."""

    name: str
    ids: tuple[int, ...]
    colour: tuple[int, ...]
    weight: float | None = None


@dataclass(frozen=True)
class Streets:
    """The numbers of street pictures to generate for training and for evaluation, and the seed."""

    train: int
    val: int
    seed: int


@dataclass(frozen=True)
class Descriptor:
    """The facts of a data set that are known before its pictures are read.

    `root`: its folder, where no key and no variable names another. `root_variable`: the environment's variable that
    names the folder; "" for none. `images`, `labels`: patterns of paths below the folder, `labels` by encoding; "" and
    {} where list files name every picture. `train`, `val`: splits or list files. `unlabelled`: splits without labels.
    `void`: values of label files, beside 255, that no class has. `streets`: of a generated data set. `folder`: the
    root's subfolder in which pictures are looked for first; "" for `name`. `coloured`: label files say the class by its
    colour. `void_colours`: colours of label files that no class has. `skeleton`: pairs of key points that belong
    together, to be drawn; `sigmas`: of each, by which their similarity counts (COCO's `kpt_oks_sigmas`).
    """

    name: str
    classes: tuple[DataClass, ...]
    root: str
    root_variable: str = ""
    images: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    train: str = "train"
    val: str = "val"
    unlabelled: tuple[str, ...] = ()
    void: tuple[int, ...] = ()
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    streets: Streets | None = None
    folder: str = ""
    coloured: bool = False
    void_colours: tuple[tuple[int, ...], ...] = ()
    skeleton: tuple[tuple[int, int], ...] = ()
    sigmas: tuple[float, ...] = ()

    @property
    def class_set(self) -> ClassSet:
        """Names, colours and weights of the classes."""
        weights = [one.weight for one in self.classes if one.weight is not None]
        palette = np.array([one.colour for one in self.classes], np.uint8)
        return ClassSet(tuple(one.name for one in self.classes), palette, tuple(weights) or None)

    @property
    def encodings(self) -> tuple[str, ...]:
        """The encodings that its label files come in."""
        return tuple(encoding for encoding, _ in self.labels)


def digest(descriptor: Descriptor) -> str:
    """Hex SHA-256 of what a descriptor says, however and wherever it is written; where the data lie doesn't count."""
    content = {key: value for key, value in asdict(descriptor).items() if key not in PLACE}
    if not descriptor.coloured:  # descriptors that are older than coloured labels keep their digests
        content = {key: value for key, value in content.items() if key not in _COLOURED}
    if KEYPOINTS not in descriptor.encodings:  # and those without key points
        content = {key: value for key, value in content.items() if key not in _POINTS}
    return sha256_text(json.dumps(content, sort_keys=True))


@dataclass(frozen=True)
class ClassSet:
    """The classes of a data set: names, colours, and weights in a balanced loss."""

    names: tuple[str, ...]
    palette: NDArray[np.uint8]  # (classes, 3) RGB
    weights: tuple[float, ...] | None = None

    def resized(self, num_classes: int) -> ClassSet:
        """Returns this set, or numbered classes where the user's own train ids have another count."""
        if num_classes == len(self.names):
            return self
        names = tuple(f"class {index}" for index in range(num_classes))
        return ClassSet(names, distinct_colours(self.palette, num_classes))


def spare_colour(index: int) -> tuple[int, ...]:
    """A colour for a class that has none: hues a golden angle apart, so that neighbours differ."""
    return tuple(round(255 * part) for part in colorsys.hsv_to_rgb(index * 0.618034 % 1, 0.65, 0.9))


def distinct_colours(palette: NDArray[np.uint8], count: int) -> NDArray[np.uint8]:
    """The first `count` colours (count, 3) of a palette, with others behind where it has fewer; none of them twice.

    >>> distinct_colours(np.array([[9, 9, 9], [9, 9, 9]], np.uint8), 3).tolist()
    [[9, 9, 9], [230, 80, 80], [80, 124, 230]]
    """
    spare = (spare_colour(index) for index in range(2 * count))
    own = (tuple(int(part) for part in colour) for colour in palette)
    return np.array(list(dict.fromkeys([*own, *spare]))[:count], np.uint8)
