"""A file format: whole files of it, how one of them is damaged, and what reads it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.faults.mutation import damaged

OFTEN = 12  # a format whose reading takes moments is tried so often as others once


@dataclass(frozen=True)
class Format:
    """Whole files by their names in a folder, of which one is damaged, and what the program does with the folder's.

    `kept`: files that stay whole. `share`: how often it is tried beside the others.
    """

    files: Mapping[str, bytes]
    read: Callable[[Path, str], object]
    damage: Callable[[bytes, Random], bytes] = damaged
    kept: tuple[str, ...] = ()
    share: int = OFTEN

    def broken(self, rng: Random, folder: Path) -> str:
        """Writes the files into `folder`, one of them damaged, and returns its name."""
        chosen = rng.choice(sorted(self.files.keys() - set(self.kept)))
        for name, content in self.files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(self.damage(content, rng) if name == chosen else content)
        return chosen


def files_of(folder: Path) -> dict[str, bytes]:
    """The content of every file below a folder, by its path there."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
