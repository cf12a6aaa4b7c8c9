"""Where results can't lie: each command says it in one line, and makes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from qat.cli.main import main
from qat.errors import UserError
from qat.files import check_place
from tests.faults.conftest import options


@pytest.mark.parametrize("command", ["eval", "calib", "train", "qat", "compile", "debug", "report"])
@pytest.mark.parametrize("place", ["file", "longer", "no rights"])
def test_output(command: str, place: str, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "file").write_text("a file")
    output = {"file": root / "file", "longer": root / ("a" * 256), "no rights": Path("/proc/none")}[place]
    before = sorted(root.iterdir())
    assert main([command, *options(root, "OUTPUT_DIR", str(output))]) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith(("error: OUTPUT_DIR ", "error: can't write /proc/none/", "error: no "))
    assert place == "no rights" or said.startswith("error: OUTPUT_DIR ")
    assert sorted(root.iterdir()) == before


@pytest.mark.parametrize("place", ["file", "no rights"])
def test_events(place: str, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "file").write_text("a file")
    log = root / "file" if place == "file" else Path("/proc/none")
    assert main(["train", *options(root, "LOG_DIR", str(log))]) == 2
    assert "LOG_DIR" in capsys.readouterr().err.strip().splitlines()[-1]


def test_a_nul(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"OUTPUT_DIR .* has a NUL character"):
        check_place(tmp_path / "a\0b", "OUTPUT_DIR")
    assert check_place(tmp_path / "not" / "yet", "OUTPUT_DIR") == tmp_path / "not" / "yet"
