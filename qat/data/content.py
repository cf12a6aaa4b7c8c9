"""What identifies the pictures and labels that a result comes from: the files' bytes, not their names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from qat.data.encodings import AnyEncoding
from qat.data.listing import Entry
from qat.data.person_label import PersonLabel
from qat.data.segmentation import SegmentationDataset
from qat.files import known_sha256, sha256_text


def picture_digests(dataset: SegmentationDataset, indices: Iterable[int]) -> dict[str, str]:
    """Returns the digest of each of some pictures' files, and of the part that is cut out, by the picture's name."""
    pairs = ((dataset.entries[index], dataset.encodings[index]) for index in indices)
    return {entry.name: _seen(entry, encoding) for entry, encoding in pairs}


def _seen(entry: Entry, encoding: AnyEncoding) -> str:
    part = encoding.part if isinstance(encoding, PersonLabel) else ""
    return sha256_text(f"{known_sha256(entry.image)} {part}") if part else known_sha256(entry.image)


def pictures_of(dataset: SegmentationDataset, indices: Iterable[int]) -> dict[str, str]:
    """Returns the digest of some pictures' files, by its name in records."""
    return {"the pictures (sha256)": _digest(picture_digests(dataset, indices))}


def content_of(dataset: SegmentationDataset, indices: Iterable[int]) -> dict[str, str]:
    """Returns what identifies some pictures, their labels and what the labels' values mean, by names in records."""
    indices = list(indices)
    labels = [(entry.name, entry.label) for entry in (dataset.entries[index] for index in indices)]
    return {
        **pictures_of(dataset, indices),
        "the labels (sha256)": _digest({name: known_sha256(label) for name, label in labels if label is not None}),
        "the labels' encoding": _encodings(dataset.encodings[index] for index in indices),
    }


def _digest(files: Mapping[str, str]) -> str:
    return sha256_text("\n".join(sorted(f"{digest} {name}" for name, digest in files.items())))


def _encodings(encodings: Iterable[AnyEncoding]) -> str:
    """Names, with a digest of the tables."""
    seen = sorted({encoding.meaning for encoding in encodings})
    return ", ".join(f"{text.partition(' ')[0]} ({sha256_text(text)[:8]})" for text in seen)
