"""The images of a split and their labels, from a list file or a folder: found, named, sorted, checked to exist."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from qat.errors import UserError


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
