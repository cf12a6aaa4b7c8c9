"""A command is killed before every rename and every removal that it makes, as its folder then lies on the disk.

What the folder shows then is true of what it belongs to, old or new; and the command, run again, ends as if nothing
had happened.
"""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from yacs.config import CfgNode

from qat.errors import UserError
from qat.stages import CHECKPOINTS
from qat.workflow.run import run_of
from tests.faults.commands import COMMANDS, SOME, without_times
from tests.faults.conftest import config
from tests.faults.crash_points import before_each, put_back, snapshots, visible

OWN = {"regress": ("", "regress/cityscapes/tiny")}  # folders of a command that is made of others, which are killed too


def states(cfg: CfgNode) -> dict[str, torch.Tensor]:
    """Every tensor of the run's states."""
    found: dict[str, torch.Tensor] = {}
    for stage, name in CHECKPOINTS.items():
        path = run_of(cfg).folders.stage(stage) / name
        if path.is_file():
            state = torch.load(path, weights_only=True)["state_dict"]
            found |= {f"{stage} {key}": value for key, value in state.items()}
    return found


def files(folder: Path) -> set[str]:
    return {name for name in visible(folder) if not name.endswith("train.log")}


def unchanged(first: Mapping[str, bytes], second: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files that two runs wrote alike: those without times."""
    return {name: content for name, content in first.items() if second.get(name) == content}


def same(one: Mapping[str, torch.Tensor], other: Mapping[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.usefixtures("quick_compile", "quick_bench")
@pytest.mark.parametrize(("name", "weights"), [*((name, "second.pt") for name in COMMANDS), ("calib", "first.pt")])
def test_a_kill_at_every_point(name: str, weights: str, root: Path, tmp_path: Path) -> None:
    """`weights`: of the run that is killed; those of the run before are first.pt."""
    command, output, chosen = COMMANDS[name], root / "output", COMMANDS[name].options
    before, now = (config(root, *chosen, "TEST.MODEL_FILE", str(root / file)) for file in ("first.pt", weights))
    output.mkdir()
    command.prepare(root, root / "first.pt")
    if not command.once:
        command.run(root, root / "first.pt")
    command.prepare(root, root / weights)
    earlier = shutil.copytree(output, tmp_path / "earlier")
    shown = {id(cfg): without_times(cfg) for cfg in (before, now)}
    own = [output / folder for folder in OWN.get(name, ())]
    left = snapshots(output, lambda: command.run(root, root / weights), tmp_path / "left", own)
    truth, ended, names, first = without_times(now), states(now), files(output), visible(output)
    put_back(earlier, output)
    command.run(root, root / weights)
    contents = unchanged(first, visible(output))
    assert len(left) > 2
    seen: list[dict[str, bytes]] = []
    for snapshot in left:
        put_back(snapshot, output)
        with suppress(UserError):  # the earlier run's state is gone: it says so
            assert all(
                value in (shown[id(before)].get(key), truth.get(key)) for key, value in without_times(before).items()
            )
        for stage, metrics in without_times(now).items():
            assert metrics in (shown[id(now)].get(stage), truth.get(stage)), f"{stage}, killed at {snapshot.name}"
        if visible(snapshot) in seen:
            continue
        seen.append(visible(snapshot))
        put_back(snapshot, output)
        assert command.call(root, root / weights) in ((0, 2) if command.once else (0,))
        assert without_times(now) == truth
        assert same(states(now), ended), f"killed at {snapshot.name}"
        assert files(output) == names
        assert contents.items() <= visible(output).items(), f"killed at {snapshot.name}"
        assert not list(output.rglob(".*")), "what the killed run left is there"
    shutil.rmtree(tmp_path / "left")


@pytest.mark.parametrize("name", ["eval float", "calib"])
def test_a_disk_that_fails_at_every_point(name: str, root: Path, tmp_path: Path) -> None:
    """One line, or all is well: a failure to tidy up is none. What is shown is true."""
    command, second = COMMANDS[name], root / "second.pt"
    now = config(root, *SOME, "TEST.MODEL_FILE", str(second))
    for weights in (root / "first.pt", second):
        command.prepare(root, weights)
        if weights != second:
            command.run(root, weights)
    earlier, shown = shutil.copytree(root / "output", tmp_path / "earlier"), without_times(now)
    points: list[Path] = []
    with before_each(points.append):
        command.run(root, second)
    truth = without_times(now)
    for point in range(len(points)):
        put_back(earlier, root / "output")
        with before_each(_failing_at(point)):
            assert command.call(root, second) in (0, 2)
        for stage, metrics in without_times(now).items():
            assert metrics in (shown.get(stage), truth.get(stage)), f"{stage}, failed at {points[point]}"
    command.run(root, second)
    assert without_times(now) == truth


def _failing_at(point: int) -> Callable[[Path], None]:
    left = iter(range(point + 1))

    def act(path: Path) -> None:
        if next(left, point + 1) == point:
            raise OSError(errno.EIO, "Input/output error")

    return act
