"""Run the tools as a user does, and read what they wrote."""

from __future__ import annotations

import json
import runpy
import sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


def tool(name: str, *args: str, code: int = 0) -> str:
    """Run tools/`name`.py in this process; fails with its output if the exit code is another.

    That they run as scripts from any folder is said by tests/tools.
    """
    said = StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(said), redirect_stderr(said):
        patch.chdir(ROOT)
        patch.setattr(sys, "argv", [f"{name}.py", *args])
        with pytest.raises(SystemExit) as done:
            runpy.run_path(str(ROOT / "tools" / f"{name}.py"), run_name="__main__")
    assert int(done.value.code or 0) == code, said.getvalue()
    return said.getvalue()


def regressed(config: str, output: Path, *options: str) -> dict[str, dict[str, Any]]:
    """`regress` with ONNX Runtime against the shipped baseline; the metrics of float, calib, int_infer."""
    common = ["-c", str(ROOT / "configs" / config), "OUTPUT_DIR", str(output), "COMPILE.RUNTIMES", "['ort']"]
    tool("regress", *common, *options)
    return stage_metrics(output)


def stage_metrics(output: Path) -> dict[str, dict[str, Any]]:
    """The metrics of float, calib and int_infer below a run's folder."""
    folders = {path.parent.name: path for path in output.rglob("metrics.json")}
    return {stage: json.loads(folders[stage].read_text()) for stage in ("float", "calib", "int_infer")}


def all_stages(config: str, output: Path, *options: str) -> dict[str, dict[str, Any]]:
    """float -> calib -> int_infer with `config`; the metrics of each."""
    common = ["-c", str(ROOT / "configs" / config), "OUTPUT_DIR", str(output), *options]
    tool("eval", "--stage", "float", *common)
    tool("calib", *common)
    tool("eval", "--stage", "calib", *common)
    tool("eval", "--stage", "int_infer", "--gate", "0.99", *common)
    return stage_metrics(output)
