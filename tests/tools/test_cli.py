"""A user's mistake is one line on stderr and exit code 2, whatever the tool."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOLS = sorted(path.stem for path in (ROOT / "tools").glob("[!_]*.py"))


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CITYSCAPES_DATASET", raising=False)
    monkeypatch.syspath_prepend(str(ROOT / "tools"))


def run(tool: str, *arguments: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """The exit code of `python tools/<tool>.py`, in this process."""
    monkeypatch.setattr(sys, "argv", [f"{tool}.py", *arguments])
    with pytest.raises(SystemExit) as done:
        runpy.run_path(str(ROOT / "tools" / f"{tool}.py"), run_name="__main__")
    return int(done.value.code or 0)


def test_as_a_script_from_any_folder() -> None:
    command = [sys.executable, str(ROOT / "tools" / "check.py"), "QUANT.SCHEM", "affine"]
    done = subprocess.run(command, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == "error: unknown key QUANT.SCHEM in options; did you mean QUANT.SCHEME?\n"


@pytest.fixture
def required(tmp_path: Path) -> dict[str, list[str]]:
    return {"infer": ["--input", str(tmp_path)], "export": ["--output", str(tmp_path / "weights.safetensors")]}


@pytest.mark.parametrize("tool", TOOLS)
def test_every_tool_names_a_missing_config(
    tool: str, required: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tool, *required.get(tool, []), "-c", "none.yaml", monkeypatch=monkeypatch) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: no config none.yaml (tried configs/none.yaml")
    assert said.endswith(
        "expected one of: camvid/pidnet_s, cityscapes/pidnet_l, cityscapes/pidnet_m, "
        "cityscapes/pidnet_s, streets/pidnet_s, streets/pidnet_s_train\n"
    )
    assert said.count("\n") == 1


@pytest.mark.parametrize("tool", TOOLS)
def test_every_tool_explains_itself(
    tool: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tool, "--help", monkeypatch=monkeypatch) == 0
    shown = capsys.readouterr().out
    assert "--cfg" in shown
    assert "KEY VALUE" in shown


@pytest.mark.parametrize("tool", ["calib", "eval"])
def test_a_missing_checkpoint(
    tool: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    opts = f"TEST.MODEL_FILE none.pt DATASET.ROOT {tmp_path} DATASET.STREETS_TRAIN 1 DATASET.STREETS_VAL 1 WORKERS 0"
    assert run(tool, *opts.split(), monkeypatch=monkeypatch) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1].startswith("error: ")
    assert "none.pt" in lines[-1]


@pytest.mark.parametrize("tool", ["calib", "eval", "train"])
def test_a_missing_data_set(tool: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    opts = ["DATASET.DATASET", "cityscapes", "DATASET.ROOT", "nowhere"]
    assert run(tool, *opts, monkeypatch=monkeypatch) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("error: DATASET.ROOT nowhere is not a folder; ")
