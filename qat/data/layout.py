"""The pictures of a split and their labels by a descriptor's patterns: images/{split}/{frame}_rgb.png and the like."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from qat.data.descriptor import Descriptor
from qat.data.encodings import AUTO
from qat.data.listing import IMAGE_SUFFIXES, Entry, checked, make_entry
from qat.errors import UserError

_LABEL_SUFFIXES = (".png", ".bmp", ".tif", ".tiff")  # without loss


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
        """(frame, file) of every file below `base`/folder; a frame is the part of the path that names the picture."""
        for path in sorted((base / self.folder).rglob("*")):
            relative = path.relative_to(base / self.folder)
            if self.ending and path.name.endswith(self.ending):
                yield relative.as_posix().removesuffix(self.ending), path
            elif not self.ending and path.suffix.lower() in IMAGE_SUFFIXES:
                yield relative.with_suffix("").as_posix(), path

    def files(self, base: Path, frame: str) -> list[Path]:
        """Where the file of `frame` may lie."""
        endings = (self.ending,) if self.ending else _LABEL_SUFFIXES
        return [base / self.folder / f"{frame}{ending}" for ending in endings]


def find_split(descriptor: Descriptor, base: Path, split: str, labels: str) -> list[Entry]:
    """Sorted entries of a split below `base`; UserError for an empty folder or a missing label.

    `labels`: the encoding, or auto for whichever is there.
    """
    images = Pattern.of(descriptor.images, split)
    patterns = [] if split in descriptor.unlabelled else _label_patterns(descriptor, split, labels)
    found = list(images.frames(base))
    if not found:
        raise UserError(f"{base / images.folder} holds no image; expected {_expected(images)}")
    entries = (make_entry(base, image, _label(base, frame, patterns)) for frame, image in found)
    return checked(entries, str(base / images.folder))


def _label_patterns(descriptor: Descriptor, split: str, labels: str) -> list[Pattern]:
    wanted = [text for encoding, text in descriptor.labels if labels in (AUTO, encoding)]
    return [Pattern.of(text, split) for text in wanted or [text for _, text in descriptor.labels]]


def _label(base: Path, frame: str, patterns: list[Pattern]) -> Path | None:
    """The first label file that is there, else the first that was expected; None where there are no labels."""
    candidates = [path for pattern in patterns for path in pattern.files(base, frame)]
    return next((path for path in candidates if path.is_file()), candidates[0] if candidates else None)


def _expected(images: Pattern) -> str:
    return f"files that end in {images.ending or ' '.join(IMAGE_SUFFIXES)}, in it or in folders below"
