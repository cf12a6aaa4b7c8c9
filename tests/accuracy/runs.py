"""Run the tools as a user does, and read what they wrote."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def tool(name: str, *args: str, code: int = 0) -> str:
    """Run tools/`name`.py; fails with its output if the exit code is another."""
    command = [sys.executable, str(ROOT / "tools" / f"{name}.py"), *args]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def all_stages(config: str, output: Path, *options: str) -> dict[str, dict[str, Any]]:
    """float -> calib -> int_infer with `config`; the metrics of each."""
    common = ["-c", str(ROOT / "configs" / config), "OUTPUT_DIR", str(output), *options]
    tool("eval", "--stage", "float", *common)
    tool("calib", *common)
    tool("eval", "--stage", "calib", *common)
    tool("eval", "--stage", "int_infer", "--gate", "0.99", *common)
    folders = {path.parent.name: path for path in output.rglob("metrics.json")}
    return {stage: json.loads(folders[stage].read_text()) for stage in ("float", "calib", "int_infer")}
