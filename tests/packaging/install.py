"""The wheel, and environments that borrow the installed packages but not the checkout. Nothing is downloaded."""

from __future__ import annotations

import base64
import hashlib
import os
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def run(command: list[str], folder: Path | None = None, code: int = 0) -> str:
    """stdout of a command that ends with that code, without the checkout on Python's path."""
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    environment |= {"OMP_NUM_THREADS": "1", "COLUMNS": "160"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def build_wheel(folder: Path) -> Path:
    """The project's wheel in that folder, made by the build backend that is installed here."""
    run([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)])
    return next(folder.glob("*.whl"))


class Environment:
    """A virtual environment that finds this one's packages behind its own, or those alone that are named."""

    def __init__(self, folder: Path, borrowed: Sequence[str] = ()) -> None:
        run([sys.executable, "-m", "venv", "--without-pip", str(folder)])
        self.python = str(folder / "bin" / "python")
        self.scripts = folder / "bin"
        self.site = next(folder.glob("lib/python*/site-packages"))
        theirs = Path(sysconfig.get_paths()["purelib"])
        for name in borrowed:
            (self.site / name).symlink_to(theirs / name)
        if borrowed:
            return
        # A .pth file's line is a folder to look in. That folder's own .pth files, an editable install's, aren't read.
        (self.site / "borrowed.pth").write_text(f"{theirs}\n", encoding="utf-8")

    def pip(self, command: str, *arguments: str) -> None:
        """One pip command on this environment."""
        run([sys.executable, "-m", "pip", "-q", "--python", self.python, command, *arguments])

    def install(self, wheel: Path) -> None:
        """That wheel, alone."""
        self.pip("install", "--no-deps", "--no-index", str(wheel))

    def runs(self, code: str, folder: Path) -> str:
        """What Python prints when it runs that code in that folder."""
        return run([self.python, "-c", code], folder).strip()


def small_wheel(folder: Path, name: str, source: str) -> Path:
    """A wheel of one package whose __init__.py holds `source`."""
    info = f"{name}-1.0.dist-info"
    files = {
        f"{name}/__init__.py": source,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = [f"{path},sha256={_digest(text)},{len(text.encode())}\n" for path, text in files.items()]
    wheel = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in (files | {f"{info}/RECORD": "".join(rows) + f"{info}/RECORD,,\n"}).items():
            archive.writestr(path, text)
    return wheel


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
