"""What a killed run leaves goes with the next one; what a living one holds stays."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from qat.files import replaced_folder, restored, scratch_folder, write_text
from qat.files.parts import sweep

HOLD = """
import os, sys
from pathlib import Path
from qat.files import {0}
with {0}({1}) as aside:
    (aside / "half").write_text("half") if aside.is_dir() else aside.write_text("half")
    print(aside, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def _another_process() -> None:
    """A run sweeps a folder once."""
    sweep.cache_clear()


def holder(make: str, argument: str = "") -> tuple[subprocess.Popen[str], Path]:
    """A process in the middle of writing, and its part."""
    code = HOLD.format(make, argument)
    child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    return child, Path(child.stdout.readline().strip())


@pytest.fixture
def killed(tmp_path: Path) -> Iterator[Path]:
    """A folder in which a file's writer was killed and another one is at work."""
    dead, _ = holder("atomic_path", f"{str(tmp_path / 'dead')!r}")
    alive, _ = holder("atomic_path", f"{str(tmp_path / 'alive')!r}")
    dead.kill()
    dead.wait()
    yield tmp_path
    alive.communicate("")


def test_a_killed_writer_s_part_goes_and_a_living_one_s_stays(killed: Path, caplog: pytest.LogCaptureFixture) -> None:
    left = sorted(path.name for path in killed.iterdir())
    assert [name.split(".")[1] for name in left] == ["alive", "alive", "dead", "dead"]
    with caplog.at_level(logging.INFO):
        write_text(killed / "dead", "whole")
    assert sorted(path.name.split(".")[1] for path in killed.iterdir() if path.name != "dead") == ["alive", "alive"]
    assert [record.message.endswith("which a killed run left") for record in caplog.records] == [True]


def test_a_killed_run_s_folder_goes(tmp_path: Path) -> None:
    child, _ = holder("replaced_folder", f"Path({str(tmp_path / 'compile')!r})")
    child.kill()
    child.wait()
    assert len([*tmp_path.iterdir()]) == 2
    with replaced_folder(tmp_path / "compile") as aside:
        (aside / "new").write_text("new")
    assert [path.name for path in tmp_path.iterdir()] == ["compile"]


def test_what_a_killed_run_took_away_comes_back(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    aside = tmp_path / ".compile.0123abcd.part"
    (aside / "before").mkdir(parents=True)
    (aside / "before" / "earlier").write_text("earlier")
    (aside / "new").mkdir()
    with caplog.at_level(logging.INFO):
        assert [path.name for path in restored(tmp_path / "compile").iterdir()] == ["earlier"]
    assert [path.name for path in tmp_path.iterdir()] == ["compile"]
    assert "is as it was before a run that was killed" in caplog.text


def test_where_locks_do_not_work_a_part_stays_and_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / ".file.0123abcd.part").write_text("half")

    def refuse(path: Path) -> None:
        raise OSError(37, "No locks available")

    with monkeypatch.context() as patch:
        patch.setattr("qat.files.parts.try_lock", refuse)
        sweep(tmp_path)
    assert os.listdir(tmp_path) == [".file.0123abcd.part"]
    assert "locks don't work there" in caplog.text


def test_a_temporary_folder_goes_with_its_process_or_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    child, left = holder("scratch_folder")
    child.kill()
    child.wait()
    assert left.parent == tmp_path
    code = "from qat.files import scratch_folder\nwith scratch_folder() as folder: print(folder.is_dir())"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "True\n"
    assert os.listdir(tmp_path) == []


def test_a_temporary_folder_is_one_s_own() -> None:
    with scratch_folder() as folder:
        assert folder.stat().st_mode & 0o077 == 0
    assert not folder.exists()


def test_a_signal_while_a_part_is_removed_leaves_no_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("qat.files.parts._remove", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_text(tmp_path / "file", "text")
    assert os.listdir(tmp_path) == ["file"]
