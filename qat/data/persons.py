"""The persons in listed pictures: each is a sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from qat.data.listing import Entry
from qat.data.person_file import read_persons
from qat.data.person_label import PersonLabel
from qat.deploy.person_crop import Size
from qat.errors import UserError

Found = TypeVar("Found")


def persons_of(
    entries: Sequence[Entry], label: Path, names: Sequence[str], size: Size
) -> tuple[list[Entry], list[PersonLabel]]:
    """An entry and a label of each person in the pictures `entries`, by the COCO file `label`.

    Raises UserError for a file that can't be used, and where it has no person of these pictures.
    """
    persons = read_persons(label, names)
    pairs = [
        (replace(entry, label=label, name=f"{entry.name}_{person.number:06d}"), PersonLabel(size, person))
        for entry in entries
        for person in of_picture(entry.image, persons) or ()
    ]
    if not pairs:
        raise UserError(
            f"label {label} has no person with a labelled point in the {len(entries)} pictures beside "
            f"{entries[0].image}; expected their file names in images"
        )
    return [entry for entry, _ in pairs], [found for _, found in pairs]


def of_picture(path: Path, named: Mapping[str, Found]) -> Found | None:
    """What a file says of the picture at `path`, which it names by the path or the end of it; None for nothing.

    >>> of_picture(Path("images/val/a.png"), {"val/a.png": 1})
    1
    """
    names = ("/".join(path.parts[start:]) for start in range(len(path.parts)))
    return next((named[name] for name in names if name in named), None)
