"""Lists images and their labels: from a list file, from a folder, or by a descriptor's patterns.

Every entry has a unique name, entries are sorted, and their files exist.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from qat.data.descriptor import BOXES, KEYPOINTS, Descriptor
from qat.data.encodings import AUTO
from qat.data.list_lines import list_rows
from qat.errors import UserError
from qat.files import files_below

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".tif", ".tiff", ".webp", ".npy")
LIST_SUFFIXES = (".txt", ".lst", ".csv")
LABEL_SUFFIXES = (".png", ".bmp", ".tif", ".tiff")  # without loss
BOX_SUFFIX = ".txt"


@dataclass(frozen=True, slots=True)  # there are as many as pictures
class Entry:
    """An image, its label (None in a split without labels) and its name: the image's relative path without suffix."""

    image: Path
    label: Path | None
    name: str


def read_list(path: Path, bases: Sequence[Path]) -> list[Entry]:
    """Reads a list file: a line is `image label` or `image` (`qat.data.list_lines`).

    Paths are relative to the first of `bases` under which the first image exists. Raises UserError for an unreadable or
    empty list, a malformed line, a missing file, or an image that is listed twice.
    """
    rows = list_rows(path, _text(path), lambda cell: any(os.path.isfile(base / cell) for base in bases))
    if not rows:
        raise UserError(f"list file {path} names no image; expected lines such as: images/a.png labels/a.png")
    base = next((base for base in bases if os.path.isfile(base / rows[0][0])), bases[0])
    if len({len(row) for row in rows}) > 1:
        raise UserError(f"list file {path} has lines with a label and lines without; expected one kind")
    return checked(
        (make_entry(base, base / row[0], *(base / cell for cell in row[1:])) for row in rows), f"list file {path}"
    )


def make_entry(base: Path, image: Path, label: Path | None = None) -> Entry:
    """Makes an entry; its name is the image's path below `base`."""
    relative = image.relative_to(base) if image.is_relative_to(base) else image
    return Entry(image, label, relative.with_suffix("").as_posix())


def checked(entries: Iterable[Entry], where: str) -> list[Entry]:
    """Sorts the entries by image path; UserError if a file is missing or two images have the same name."""
    result = sorted(entries, key=lambda entry: entry.image.as_posix())
    seen: set[str] = set()
    for entry in result:
        for kind, file in (("image", entry.image), ("label", entry.label)):
            if file is not None and not os.path.isfile(file):
                raise UserError(f"{kind} {file} of {where} does not exist; check the path and DATASET.ROOT")
        if entry.name in seen:
            raise UserError(f"image {entry.image} appears twice in {where}; expected each image once")
        seen.add(entry.name)
    return result


def find_images(path: str | Path) -> list[Path]:
    """Returns the images that `path` stands for: one, a folder's and its subfolders', a pattern's, or a list file's.

    A pattern is such as few/*.png or few/**/*.png.

    Paths in a list file are relative to its folder; a second column (labels) is not used. Raises UserError if there is
    no image.
    """
    path = Path(path)
    if path.is_dir():
        return _in_folder(path)
    if not path.exists() and glob.has_magic(str(path)):
        return _by_pattern(str(path))
    if not path.is_file():
        raise UserError(f"input {path} does not exist; expected an image, a folder of images or a list file")
    if path.suffix.lower() in LIST_SUFFIXES:
        return [entry.image for entry in read_list(path, [path.parent])]
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return [path]
    known = " ".join(IMAGE_SUFFIXES + LIST_SUFFIXES)
    raise UserError(f"input {path} is no image and no list file by its suffix; expected one of: {known}")


def _by_pattern(pattern: str) -> list[Path]:
    found = (Path(name) for name in glob.iglob(pattern, recursive=True))
    images = sorted(
        (path for path in found if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file()), key=Path.as_posix
    )
    if not images:
        raise UserError(f"no image fits {pattern}; expected files that end in {' '.join(IMAGE_SUFFIXES)}")
    return images


def _in_folder(folder: Path) -> list[Path]:
    images = [path for path in files_below(folder) if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file()]
    if not images:
        raise UserError(f"folder {folder} holds no image; expected files that end in {' '.join(IMAGE_SUFFIXES)}")
    return sorted(images, key=Path.as_posix)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise UserError(
            f"can't read list file {path}: {reason}; expected a text file of image and label paths"
        ) from error


@dataclass(frozen=True)
class Pattern:
    """A folder and what the file names in it end with; "" for any picture's suffix."""

    folder: Path
    ending: str

    @classmethod
    def of(cls, text: str, split: str) -> Pattern:
        """A descriptor's pattern for one split.

        >>> Pattern.of("gtFine/{split}/{frame}_labelIds.png", "val")
        Pattern(folder=PosixPath('gtFine/val'), ending='_labelIds.png')
        """
        folder, _, ending = text.partition("{frame}")
        return cls(Path(folder.replace("{split}", split)), ending)

    def frames(self, base: Path) -> Iterator[tuple[str, Path]]:
        """Yields (frame, file) of every file below `base`/folder; the frame is the part of the path that varies."""
        for path in sorted(files_below(base / self.folder)):
            relative = path.relative_to(base / self.folder)
            if self.ending and path.name.endswith(self.ending):
                yield relative.as_posix().removesuffix(self.ending), path
            elif not self.ending and path.suffix.lower() in IMAGE_SUFFIXES:
                yield relative.with_suffix("").as_posix(), path

    def files(self, base: Path, frame: str) -> list[Path]:
        """Returns the paths at which the file of `frame` may lie."""
        endings = (self.ending,) if self.ending else LABEL_SUFFIXES
        return [base / self.folder / f"{frame}{ending}" for ending in endings]


def split_file(descriptor: Descriptor, base: Path, split: str) -> Path:
    """The file of key points of a split, whose pictures lie below `base`."""
    pattern = Pattern.of(dict(descriptor.labels)[KEYPOINTS], split)
    return base / pattern.folder


def find_split(descriptor: Descriptor, base: Path, split: str, labels: str) -> list[Entry]:
    """Returns the sorted entries of a split below `base`; UserError for an empty folder or a missing label.

    `labels`: the encoding, or auto for the first that exists.
    """
    images = Pattern.of(descriptor.images, split)
    unlabelled = split in descriptor.unlabelled or KEYPOINTS in descriptor.encodings  # one file for all
    patterns = [] if unlabelled else _label_patterns(descriptor, split, labels)
    frames = list(images.frames(base))
    if not frames:
        raise UserError(f"{base / images.folder} holds no image; expected {_expected(images)}")
    entries = (make_entry(base, image, _label(base, frame, patterns)) for frame, image in frames)
    return checked(entries, str(base / images.folder))


def _label_patterns(descriptor: Descriptor, split: str, labels: str) -> list[Pattern]:
    named = [(encoding, _of_files(encoding, text)) for encoding, text in descriptor.labels if text]
    wanted = [text for encoding, text in named if labels in (AUTO, encoding)]
    return [Pattern.of(text, split) for text in wanted or [text for _, text in named]]


def _of_files(encoding: str, text: str) -> str:
    """A pattern of labels; a folder of boxes, which are no pictures, holds text files."""
    return f"{text}/{{frame}}{BOX_SUFFIX}" if encoding == BOXES and "{frame}" not in text else text


def _label(base: Path, frame: str, patterns: list[Pattern]) -> Path | None:
    """Returns the first label file that exists, else the first candidate; None if the split has no labels."""
    candidates = [path for pattern in patterns for path in pattern.files(base, frame)]
    return next((path for path in candidates if path.is_file()), candidates[0] if candidates else None)


def _expected(images: Pattern) -> str:
    return f"files that end in {images.ending or ' '.join(IMAGE_SUFFIXES)}, in it or in folders below"
