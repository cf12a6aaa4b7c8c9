"""A full and a read-only disk: every command that writes says it in one line, and nothing is lost."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from qat.cli.main import main
from qat.training.events import EventFile
from tests.faults import disks
from tests.faults.commands import COMMANDS, without_times
from tests.faults.conftest import config, data, weights
from tests.networks import TINY, registered

WRITE = [name for name in COMMANDS if name != "regress"]  # which is made of others
State = Callable[[Path, bool], AbstractContextManager[None]]


@pytest.mark.usefixtures("quick_compile", "quick_bench")
@pytest.mark.parametrize(("name", "injected"), [*((name, False) for name in WRITE), ("calib", True), ("compile", True)])
def test_one_line_and_nothing_lost(
    name: str, injected: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, command = tmp_path / "disk", COMMANDS[name]
    with registered(TINY), disks.disk(root) as mounted:
        data(root / "data")
        for seed, file in enumerate(("first.pt", "second.pt")):
            weights(root / file, seed)
        command.prepare(root, root / "first.pt")
        if not command.once:
            command.run(root, root / "first.pt")
        command.prepare(root, root / "second.pt")
        now = config(root, *command.options, "TEST.MODEL_FILE", str(root / "second.pt"))
        shown = without_times(now)
        states: tuple[State, ...] = (disks.full, disks.read_only)
        for state in states:
            with state(root, mounted and not injected):
                capsys.readouterr()
                assert command.call(root, root / "second.pt") == 2
            said = capsys.readouterr().err.strip().splitlines()[-1]
            assert said.startswith(("error: can't write ", "error: can't remove "))
            assert not list(root.rglob(".*"))
            assert without_times(now).items() <= shown.items()
        command.run(root, root / "second.pt")


def test_events_that_a_disk_does_not_take_end_no_training(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Full:
        def write_event(self, event: object) -> None:
            raise OSError(28, "No space left on device")

        def close(self) -> None:
            raise OSError(28, "No space left on device")

    board = EventFile(tmp_path)
    board.close()
    board._file = Full()
    for iteration in range(3):
        board.add(None, iteration)
    board.close()
    assert caplog.text.count("takes no more events (No space left on device): training goes on without") == 1


def test_a_disk_outside_of_the_project_s_own_writing_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device", "/elsewhere/file")

    monkeypatch.setattr("qat.cli.main.run", full)
    assert main(["check"]) == 2
    assert capsys.readouterr().err.startswith("error: a disk takes no more; free some of OUTPUT_DIR's, ")
