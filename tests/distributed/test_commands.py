"""What several processes write is what one writes, bit for bit."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from qat.distributed import launch
from qat.files import sha256
from qat.workflow import calibrate
from tests.digests import of_folder
from tests.distributed.commands import config_of, prepare_data, run, small
from tests.networks import TINY, registered

ROOT = Path(__file__).resolve().parents[2]
MODULE = "tests.distributed.commands"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data, and in `1` what one process writes."""
    folder = tmp_path_factory.mktemp("processes")
    prepare_data(folder)
    with small():
        run(folder, folder / "1")
    return folder


def stopped_after(batches: int, folder: Path, output: Path) -> None:
    """A calibration by one process that is stopped."""

    def stop(done: int, total: int, text: str) -> None:
        if text.startswith("calib") and done > batches:
            raise KeyboardInterrupt

    with registered(TINY), pytest.raises(KeyboardInterrupt):
        calibrate(config_of(folder, output, "mixed"), stop)


def overlays(output: Path) -> dict[str, str]:
    """The digest of every overlay, by its place."""
    found = {str(path.relative_to(output)): sha256(path) for path in sorted(output.rglob("infer/**/*.png"))}
    assert len(found) == 11
    return found


def diagnosis(output: Path) -> list[Any]:
    """What debug measured, apart from the time it took."""
    (debugged,) = output.rglob("debug")
    files = [json.loads((debugged / f"{name}.json").read_text()) for name in ("layers", "ranges", "sensitivity")]
    del files[2]["seconds"]
    return files


@pytest.mark.slow
@pytest.mark.parametrize("processes", [2, 3])
def test_the_same_states_and_figures(folder: Path, processes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    output = folder / str(processes)
    stopped_after(2, folder, output)  # these go on from it
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    arguments = [str(folder), str(output)]
    if processes == 2:
        start = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m"]
        done = subprocess.run([sys.executable, *start, MODULE, *arguments], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    else:
        assert launch(arguments, processes, MODULE).status == 0
    alone = of_folder(folder / "1")
    assert len(alone) > 8
    assert of_folder(output) == alone
    assert overlays(output) == overlays(folder / "1")
    assert diagnosis(output) == diagnosis(folder / "1")
