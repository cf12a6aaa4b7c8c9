"""deploy.pyz: `qat.deploy` as one file that Python runs, for a board without pip."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

from qat.files import atomic_path

ARCHIVE = "deploy.pyz"
_PACKAGE = Path(__file__).resolve().parents[1]
_OWN = ("__init__.py", "errors.py", "version.py")  # of the package, all that `qat.deploy` imports beside itself
_SHEBANG = b"#!/usr/bin/env python3\n"
_MAIN = """import sys

if sys.version_info < (3, 10):
    sys.exit("error: deploy.pyz needs Python 3.10 or newer")
from qat.deploy.command import main

sys.exit(main(sys.argv[1:]))
"""


def write_archive(path: Path) -> None:
    """Write the zip application, whole or not at all; its bytes depend on the sources alone."""
    with atomic_path(path) as aside, open(aside, "wb") as file:
        file.write(_SHEBANG)
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, text in _sources():
                archive.writestr(zipfile.ZipInfo(name), text, zipfile.ZIP_DEFLATED)


def _sources() -> Iterator[tuple[str, bytes]]:
    yield "__main__.py", _MAIN.encode()
    for path in (*(_PACKAGE / name for name in _OWN), *sorted((_PACKAGE / "deploy").rglob("*.py"))):
        yield path.relative_to(_PACKAGE.parent).as_posix(), path.read_bytes()
