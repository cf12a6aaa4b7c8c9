"""Where infer writes the overlay of each picture: inside its folder, one file a picture, never over a picture."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from qat.errors import UserError


def overlay_files(pictures: Sequence[Path], folder: Path) -> list[Path]:
    """The PNG file below `folder` for each picture: its path below the pictures' common folder, with another suffix.

    Pictures that differ in their suffix alone keep it: a.jpg.png beside a.bmp.png. Raises UserError where a file would
    be one of the pictures, would lie outside `folder` by a link, or would be two pictures' own.

    >>> [path.as_posix() for path in overlay_files([Path("p/a.jpg"), Path("p/a.bmp"), Path("p/b.bmp")], Path("o"))]
    ['o/a.jpg.png', 'o/a.bmp.png', 'o/b.png']
    """
    places = [Path(os.path.abspath(path)) for path in pictures]
    common = os.path.commonpath([place.parent for place in places])
    short = [folder / place.relative_to(common).with_suffix(".png") for place in places]
    names = Counter(map(_folded, short))
    files = [
        path if names[_folded(path)] == 1 else path.with_name(f"{place.name}.png")
        for path, place in zip(short, places, strict=True)
    ]
    _check(files, pictures, folder)
    return files


def _check(files: Sequence[Path], pictures: Sequence[Path], folder: Path) -> None:
    inside, own, names = folder.resolve(), {path.resolve() for path in pictures}, Counter(map(_folded, files))
    lexical = {Path(os.path.abspath(path)) for path in pictures}
    for path, picture in zip(files, pictures, strict=True):
        place = path.resolve()
        if place in own or Path(os.path.abspath(path)) in lexical:
            raise UserError(f"the overlay of {picture} would overwrite the picture {path}; give another --output")
        if not place.is_relative_to(inside):
            raise UserError(f"the overlay of {picture} would be written to {place} by a link; give another --output")
        if names[_folded(path)] > 1:
            raise UserError(f"the overlay of {picture} and another picture's would both be {path}; rename one of them")


def _folded(path: Path) -> str:
    """The path as file systems compare it that don't tell capitals from small letters."""
    return str(path).casefold()
