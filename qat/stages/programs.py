"""The TorchScript files that a run compiled. Such a file is a program: somebody else's isn't run unasked."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from qat.errors import UserError
from qat.files import known_sha256, read_json, sha256, write_json
from qat.invocation import command
from qat.stages.folders import PROGRAMS

SUFFIX = ".pt"


def note_programs(base: Path, folder: Path) -> None:
    """Note the programs in `folder`, which this run made, in the run's folder `base`, beside those noted before."""
    made = {sha256(path) for path in folder.glob(f"*{SUFFIX}")}
    if made:
        write_json(base / PROGRAMS, sorted(made | _noted(base)))


def check_programs(base: Path, paths: Iterable[Path], trusted: bool) -> None:
    """Raises UserError for a program that this run didn't make, unless `trusted`."""
    if trusted:
        return
    for path in paths:
        if path.suffix == SUFFIX and path.is_file() and known_sha256(path) not in _noted(base):
            raise UserError(
                f"{path} is a program, and this run has no record of making it; run {command('compile')} again, or set "
                "COMPILE.TRUST True if you trust whoever made it"
            )


def _noted(base: Path) -> set[str]:
    path = base / PROGRAMS
    noted = read_json(path) if path.is_file() else []
    return {str(digest) for digest in noted} if isinstance(noted, list) else set()


def inside(folder: Path, name: str) -> Path:
    """Returns a file that a folder's manifest names; UserError for one outside of the folder."""
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise UserError(f"the manifest of {folder} names {name}, outside of it; run {command('compile')} again")
    return path
