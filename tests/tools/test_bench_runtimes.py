"""tools/bench_runtimes.py from its arguments to its files, with sessions and peaks that need no runtime."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

import pytest

from qat.compile.perf import run
from qat.compile.perf.roofline import Roofline
from qat.errors import UserError
from tests.compile.perf.fakes import Fake

ROOT = Path(__file__).resolve().parents[2]
ENTRY = {"kind": "onnx_float", "bytes": 5, "runtimes": ["ort", "mnn"], "macs": 1_000_000, "sha256": "0"}


class Peaks:
    def __init__(self, threads: int) -> None:
        self.threads = threads

    def turn(self) -> None:
        pass

    def roofline(self) -> Roofline:
        return Roofline(self.threads, 1.0, 4.0, 5.0)


class Runtime:
    def __init__(self, name: str) -> None:
        self.name = name

    def load(self, path: Path, threads: int) -> Fake:
        if self.name == "mnn":
            raise UserError("mnn isn't installed")
        return Fake(path.name, [], 0.004)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(run, "Peaks", Peaks)
    monkeypatch.setattr(run, "get_runtime", Runtime)
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    return tmp_path / "streets" / "pidnet_s" / "compile"


def code_of(*arguments: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """The tool's exit code."""
    monkeypatch.setattr(sys, "argv", ["bench_runtimes.py", *arguments])
    with pytest.raises(SystemExit) as done:
        runpy.run_path(str(ROOT / "tools" / "bench_runtimes.py"), run_name="__main__")
    return int(done.value.code or 0)


def test_prints_the_table_and_writes_the_files(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(
        json.dumps({"made_from": {}, "artefacts": {"model_float.onnx": ENTRY}, "input": {"width": 64, "height": 32}})
    )
    arguments = ["--rounds", "2", "OUTPUT_DIR", str(tmp_path), "TEST.IMAGE_SIZE", "64,64"]
    assert code_of(*arguments, monkeypatch=monkeypatch) == 0
    shown = capsys.readouterr().out
    assert "model_float.onnx" in shown
    assert "model_float.onnx in mnn: mnn isn't installed" in shown
    perf = json.loads((folder / "perf.json").read_text())
    assert perf["model_float.onnx"]["ort"]["1"]["median_ms"] == 4.0
    machine = json.loads((folder / "machine.json").read_text())
    assert machine["input"]["shape"] == [1, 3, 32, 64]
    assert machine["command"].startswith("rtseg-qat bench-runtimes -c ")
    assert " --rounds 2 --warmup 3 OUTPUT_DIR " in machine["command"]
    assert "streets/pidnet_s" in (folder / "perf.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "no compiled artefacts in {folder}; run make compile with this CFG"),
        (["--rounds", "0"], "--rounds 0 --warmup 3; expected at least 1 and 0"),
        (["--warmup", "-1"], "--rounds 20 --warmup -1; expected at least 1 and 0"),
    ],
)
def test_a_mistake_is_one_line(
    arguments: list[str],
    says: str,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert code_of(*arguments, "OUTPUT_DIR", str(tmp_path), monkeypatch=monkeypatch) == 2
    assert capsys.readouterr().err == f"error: {says.format(folder=folder)}\n"
