"""Looks at folders of pictures and labels of which nothing is known: what belongs together, and what it holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from qat.data.image_io import channels_in, read_image, read_label
from qat.data.listing import IMAGE_SUFFIXES, LABEL_SUFFIXES
from qat.data.loading import evenly_spaced
from qat.errors import UserError
from qat.files import files_below

TRAIN, VAL = ("train", "training"), ("val", "valid", "validation", "test", "testing")
MOST_PICTURES = 100  # that are read for sizes and colours
MOST_LABELS = 500  # that are read for values
EVERY = 5  # of pictures without splits, one goes to val


@dataclass(frozen=True)
class Pair:
    """A picture and its label, None without one; paths below the folders that were given."""

    image: Path
    label: Path | None


@dataclass(frozen=True)
class LabelValue:
    """A value of label files: its share of their pixels, and in how many of the files it is."""

    value: int
    share: float
    files: int


@dataclass(frozen=True)
class Survey:
    """What pictures and labels show.

    `splits`: pairs of train and val. `made`: whether the folders have no splits, so that val is every fifth picture.
    `sizes`: (width, height) -> pictures, of the `read` ones. `mean`, `std`: of each channel / 255. `values`: of
    `labels_read` label files, in order; () without labels. `unpaired`: pictures without a label, left out where others
    have one.
    """

    splits: Mapping[str, tuple[Pair, ...]]
    made: bool
    sizes: Mapping[tuple[int, int], int]
    read: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    values: tuple[LabelValue, ...]
    labels_read: int
    unpaired: int

    @property
    def count(self) -> int:
        """The number of pictures."""
        return sum(map(len, self.splits.values()))

    @property
    def size(self) -> tuple[int, int]:
        """The commonest width and height."""
        return max(self.sizes, key=lambda size: self.sizes[size])


def survey(images: str | Path, labels: str | Path | None = None, channels: int | None = None) -> Survey:
    """Looks at the pictures below `images` and the labels below `labels`.

    `channels`: of the pictures; None: those of the first.
    Raises UserError for a folder that isn't there or is empty, pictures of which none has a label, and files that can't
    be read.
    """
    pictures = _files(Path(images), IMAGE_SUFFIXES, "images")
    found = _files(Path(labels), LABEL_SUFFIXES, "labels") if labels is not None else None
    pairs = [Pair(picture, None) for picture in pictures] if found is None else _paired(pictures, found)
    labelled = [pair for pair in pairs if pair.label is not None]
    if found is not None and not labelled:
        raise UserError(
            f"no picture of {images} has a label in {labels} (the first is {pictures[0]}, the first label {found[0]}); "
            "expected files of the same name, such as a.jpg and a.png, or frame_rgb.png and frame_label.png"
        )
    taken = pairs if found is None else labelled
    splits, made = _splits(taken)
    sizes, mean, std, read = _colours(Path(images), taken, channels)
    values, labels_read = _values(Path(labels), labelled) if labels is not None else ((), 0)
    return Survey(splits, made, sizes, read, mean, std, values, labels_read, len(pairs) - len(taken))


def _files(folder: Path, suffixes: Sequence[str], what: str) -> list[Path]:
    """The files below `folder`, sorted, as paths below it."""
    if not folder.is_dir():
        raise UserError(f"--{what} {folder} is not a folder; expected one that holds {what}")
    found = sorted(path.relative_to(folder) for path in files_below(folder) if path.suffix.lower() in suffixes)
    if not found:
        raise UserError(f"--{what} {folder} holds no file that ends in {' '.join(suffixes)}")
    return found


def _paired(pictures: Sequence[Path], labels: Sequence[Path]) -> list[Pair]:
    """Each picture with its label: of the same name, or of the same name but for endings that all pictures share."""
    exact = {path.with_suffix(""): path for path in reversed(labels)}
    if any(picture.with_suffix("") in exact for picture in pictures):
        return [Pair(picture, exact.get(picture.with_suffix(""))) for picture in pictures]
    shared = shared_ending(path.stem for path in pictures)
    frames = {picture: _frame(picture, shared) for picture in pictures}
    ending = _label_ending(frames.values(), labels)
    by_frame = {_frame(path, Path(ending).stem): path for path in labels if path.name.endswith(ending)}
    return [Pair(picture, by_frame.get(frames[picture])) for picture in pictures]


def shared_ending(stems: Iterable[str]) -> str:
    """What all names end with, from a separator on.

    >>> shared_ending(["a_1_rgb", "b_2_rgb"])
    '_rgb'
    """
    names = list(stems)
    same = [len(set(marks)) == 1 for marks in zip(*(name[::-1] for name in names), strict=False)]
    length = same.index(False) if False in same else len(same)
    common = names[0][len(names[0]) - length :]
    places = [common.find(mark) for mark in "_-." if mark in common]
    return common[min(places) :] if places and len(names) > 1 else ""


def _frame(path: Path, ending: str) -> Path:
    """A path without suffix and the ending of its name."""
    return path.with_name(path.stem.removesuffix(ending)) if path.stem != ending else path.with_suffix("")


def _label_ending(frames: Iterable[Path], labels: Sequence[Path]) -> str:
    """The commonest of what label files have behind a picture's frame; of several, one that says it holds ids."""
    known = set(frames)
    endings: Counter[str] = Counter()
    for label in labels:
        for cut in range(1, len(label.stem)):
            if label.with_name(label.stem[:cut]) in known:
                endings[label.name[cut:]] += 1
    best = [ending for ending, count in endings.items() if count == max(endings.values())]
    telling = [ending for ending in best if "labelids" in ending.lower() or "mask" in ending.lower()]
    return (telling or best or [""])[0]


def split_names(pairs: Sequence[Pair]) -> tuple[str, str] | None:
    """The names of the folders of train and of val, if the pictures lie in such."""
    tops = {pair.image.parts[0] for pair in pairs if len(pair.image.parts) > 1}
    train = next((name for name in TRAIN if name in tops), None)
    val = next((name for name in VAL if name in tops), None)
    return (train, val) if train and val else None


def _splits(pairs: Sequence[Pair]) -> tuple[dict[str, tuple[Pair, ...]], bool]:
    names = split_names(pairs)
    if names:
        train, val = (tuple(pair for pair in pairs if pair.image.parts[0] == name) for name in names)
        return {"train": train, "val": val}, False
    if len(pairs) < 2:
        return {"train": tuple(pairs), "val": tuple(pairs)}, True
    held = set(range(EVERY - 1, len(pairs), EVERY)) or {len(pairs) - 1}
    parts = (tuple(pair for i, pair in enumerate(pairs) if (i in held) == wanted) for wanted in (False, True))
    return dict(zip(("train", "val"), parts, strict=True)), True


def _colours(
    folder: Path, pairs: Sequence[Pair], channels: int | None
) -> tuple[dict[tuple[int, int], int], tuple[float, ...], tuple[float, ...], int]:
    """Sizes, mean and deviation of some pictures."""
    chosen = [pairs[i] for i in evenly_spaced(len(pairs), MOST_PICTURES)]
    sizes: Counter[tuple[int, int]] = Counter()
    total, squares, count = np.zeros(1), np.zeros(1), 0
    channels = channels or channels_in(folder / chosen[0].image)
    for pair in chosen:
        pixels = read_image(folder / pair.image, channels)
        sizes[(pixels.shape[1], pixels.shape[0])] += 1
        values = pixels.reshape(-1, pixels.shape[2]).astype(np.float64) / 255
        total, squares, count = total + values.sum(0), squares + (values**2).sum(0), count + len(values)
    mean = total / count
    std = np.sqrt(np.maximum(squares / count - mean**2, 0))
    return dict(sizes), tuple(map(float, mean)), tuple(map(float, std)), len(chosen)


def _values(folder: Path, pairs: Sequence[Pair]) -> tuple[tuple[LabelValue, ...], int]:
    """The values of some label files."""
    chosen = [pairs[i] for i in evenly_spaced(len(pairs), MOST_LABELS)]
    pixels, files = np.zeros(256, np.int64), np.zeros(256, np.int64)
    for pair in chosen:
        assert pair.label is not None  # its caller looked
        counts = np.bincount(read_label(folder / pair.label).reshape(-1), minlength=256)
        pixels, files = pixels + counts, files + (counts > 0)
    shares = pixels / pixels.sum()
    seen = (LabelValue(int(value), float(shares[value]), int(files[value])) for value in np.flatnonzero(pixels))
    return tuple(seen), len(chosen)
