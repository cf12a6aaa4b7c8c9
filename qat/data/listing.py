"""Images and their labels from a list file, images without labels from a folder: named, sorted, checked to exist."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from qat.errors import UserError

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".tif", ".tiff", ".webp")
LIST_SUFFIXES = (".txt", ".lst", ".csv")


@dataclass(frozen=True)
class Entry:
    """An image, its label (None in a split without labels) and its name: the image's relative path without suffix."""

    image: Path
    label: Path | None
    name: str


def read_list(path: Path, bases: Sequence[Path]) -> list[Entry]:
    """Entries of a list file: a line is `image label` or `image`, parted by white space or a comma.

    Paths are relative to the first of `bases` under which the first image exists. Empty lines and `#` lines are
    skipped. Raises UserError for an unreadable or empty list, a malformed line, a missing
    file, an image listed twice.
    """
    rows = list(_rows(path))
    if not rows:
        raise UserError(f"list file {path} names no image; expected lines such as: images/a.png labels/a.png")
    base = next((base for base in bases if (base / rows[0][0]).is_file()), bases[0])
    if len({len(row) for row in rows}) > 1:
        raise UserError(f"list file {path} has lines with a label and lines without; expected one kind")
    return checked(
        (make_entry(base, base / row[0], *(base / cell for cell in row[1:])) for row in rows), f"list file {path}"
    )


def make_entry(base: Path, image: Path, label: Path | None = None) -> Entry:
    """An entry named by the image's path below `base`."""
    relative = image.relative_to(base) if image.is_relative_to(base) else image
    return Entry(image, label, relative.with_suffix("").as_posix())


def checked(entries: Iterable[Entry], where: str) -> list[Entry]:
    """The entries sorted by image path; UserError if a file is missing or two images have one name."""
    result = sorted(entries, key=lambda entry: entry.image.as_posix())
    seen: set[str] = set()
    for entry in result:
        for kind, file in (("image", entry.image), ("label", entry.label)):
            if file is not None and not file.is_file():
                raise UserError(f"{kind} {file} of {where} does not exist; check the path and DATASET.ROOT")
        if entry.name in seen:
            raise UserError(f"image {entry.image} appears twice in {where}; expected each image once")
        seen.add(entry.name)
    return result


def find_images(path: str | Path) -> list[Path]:
    """The image `path`; or the images in the folder `path` and below, sorted; or those that the list file `path` names.

    As `make infer` takes them. Paths in a list file are relative to its folder; a second column (labels) is not used.
    Raises UserError where there is nothing of the kind.
    """
    path = Path(path)
    if path.is_dir():
        return _in_folder(path)
    if not path.is_file():
        raise UserError(f"input {path} does not exist; expected an image, a folder of images or a list file")
    if path.suffix.lower() in LIST_SUFFIXES:
        return [entry.image for entry in read_list(path, [path.parent])]
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return [path]
    known = " ".join(IMAGE_SUFFIXES + LIST_SUFFIXES)
    raise UserError(f"input {path} is no image and no list file by its suffix; expected one of: {known}")


def _in_folder(folder: Path) -> list[Path]:
    images = [path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file()]
    if not images:
        raise UserError(f"folder {folder} holds no image; expected files that end in {' '.join(IMAGE_SUFFIXES)}")
    return sorted(images, key=Path.as_posix)


def _rows(path: Path) -> Iterator[list[str]]:
    for number, line in enumerate(_text(path).splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        cells = [cell.strip() for cell in line.split(",")] if "," in line else line.split()
        cells = cells[:1] if len(cells) == 2 and not cells[1] else cells
        if len(cells) > 2 or not all(cells):
            raise UserError(f"{path}, line {number}: {line.strip()!r}; expected an image and a label, or an image")
        yield cells


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise UserError(
            f"can't read list file {path}: {reason}; expected a text file of image and label paths"
        ) from error
