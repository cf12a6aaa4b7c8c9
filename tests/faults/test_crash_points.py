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
from typing import Any

import pytest
import torch
from yacs.config import CfgNode

from qat.errors import UserError
from qat.stages import CHECKPOINTS, finished_stages
from qat.workflow import calibrate, compile, debug, evaluate, finetune, report, train
from qat.workflow.run import run_of
from tests.faults.conftest import config
from tests.faults.crash_points import before_each, put_back, snapshots, visible

SOME = ("QUANT.EQUALISE", "True", "QUANT.BIAS_CORRECTION", "True")
Command = Callable[[CfgNode], object]


def evaluated(stage: str) -> Command:
    return lambda cfg: evaluate(cfg, stage=stage)


def series(*commands: Command) -> Command:
    return lambda cfg: [command(cfg) for command in commands]


FLOAT, CALIB, INT8 = evaluated("float"), evaluated("calib"), evaluated("int_infer")
COMMANDS: dict[str, tuple[Command, Command]] = {  # what is run before, and the command that is killed
    "train": (lambda cfg: None, train),
    "eval float": (lambda cfg: None, FLOAT),
    "calib": (FLOAT, calibrate),
    "eval calib": (calibrate, CALIB),
    "eval int_infer": (series(calibrate, FLOAT), INT8),
    "qat": (series(calibrate, CALIB), finetune),
    "compile": (calibrate, compile),
    "eval compiled": (series(calibrate, compile, FLOAT), evaluated("compiled")),
    "debug": (calibrate, debug),
    "report": (series(calibrate, CALIB), lambda cfg: report(cfg, images=0)),
}
NEVER_THE_SAME = ("seconds", "forward_seconds", "environment")  # of figures


def figures(cfg: CfgNode) -> dict[str, dict[str, Any]]:
    """What a run shows of its stages, but times."""
    shown = finished_stages(run_of(cfg))
    return {
        stage: {name: value for name, value in metrics.items() if name not in NEVER_THE_SAME}
        for stage, metrics in shown.items()
    }


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


def same(one: Mapping[str, torch.Tensor], other: Mapping[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.usefixtures("quick_compile")
@pytest.mark.parametrize(("name", "weights"), [*((name, "second.pt") for name in COMMANDS), ("calib", "first.pt")])
def test_a_kill_at_every_point(name: str, weights: str, root: Path, tmp_path: Path) -> None:
    """`weights`: of the run that is killed; those of the run before are first.pt."""
    prepare, command = COMMANDS[name]
    output, before = root / "output", config(root, *SOME)
    now = config(root, *SOME, "TEST.MODEL_FILE", str(root / weights))
    series(prepare, command)(before)
    prepare(now)
    shown = {id(cfg): figures(cfg) for cfg in (before, now)}
    left = snapshots(output, lambda: command(now), tmp_path / "left")
    truth, ended, names = figures(now), states(now), files(output)
    assert len(left) > 2
    seen: list[dict[str, bytes]] = []
    for snapshot in left:
        put_back(snapshot, output)
        with suppress(UserError):  # the earlier run's state is gone: it says so
            assert all(value in (shown[id(before)].get(key), truth.get(key)) for key, value in figures(before).items())
        for stage, metrics in figures(now).items():
            assert metrics in (shown[id(now)].get(stage), truth.get(stage)), f"{stage}, killed at {snapshot.name}"
        if visible(snapshot) in seen:
            continue
        seen.append(visible(snapshot))
        put_back(snapshot, output)
        command(now)
        assert figures(now) == truth
        assert same(states(now), ended), f"killed at {snapshot.name}"
        assert files(output) == names
        assert not list(output.rglob(".*")), "what the killed run left is there"
    shutil.rmtree(tmp_path / "left")


@pytest.mark.parametrize("name", ["eval float", "calib"])
def test_a_disk_that_fails_at_every_point(name: str, root: Path, tmp_path: Path) -> None:
    """One line, or all is well: a failure to tidy up is none. What is shown is true."""
    prepare, command = COMMANDS[name]
    before = config(root, *SOME)
    now = config(root, *SOME, "TEST.MODEL_FILE", str(root / "second.pt"))
    series(prepare, command)(before)
    prepare(now)
    earlier, shown = shutil.copytree(root / "output", tmp_path / "earlier"), figures(now)
    points: list[Path] = []
    with before_each(points.append):
        command(now)
    truth = figures(now)
    for point in range(len(points)):
        put_back(earlier, root / "output")
        with before_each(_failing_at(point)), suppress(UserError):
            command(now)
        for stage, metrics in figures(now).items():
            assert metrics in (shown.get(stage), truth.get(stage)), f"{stage}, failed at {points[point]}"
    command(now)
    assert figures(now) == truth


def _failing_at(point: int) -> Callable[[Path], None]:
    left = iter(range(point + 1))

    def act(path: Path) -> None:
        if next(left, point + 1) == point:
            raise OSError(errno.EIO, "Input/output error")

    return act
