"""Whether a folder can lie where a key says, before hours are spent on what goes into it."""

from __future__ import annotations

import os
from pathlib import Path

from qat.errors import UserError

_LONGEST = 255  # bytes of a name


def check_place(folder: Path, key: str) -> Path:
    """Returns `folder`, which needn't exist; UserError that names the `key` where no folder can be there."""
    if "\0" in str(folder):
        raise UserError(f"{key} {str(folder)!r} has a NUL character, which no folder's name has")
    if any(len(os.fsencode(part)) > _LONGEST for part in folder.parts):
        raise UserError(f"{key} {str(folder)[:80]}... has a name of more than {_LONGEST} bytes; choose a shorter one")
    there = next((above for above in (folder, *folder.parents) if os.path.lexists(above)), folder)
    if os.path.lexists(there) and not there.is_dir():
        raise UserError(f"{key} {folder} can't be a folder: {there} is a file; choose another")
    return folder
