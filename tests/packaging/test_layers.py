"""The contracts of pyproject.toml: an import that goes up, a circle and a room without a layer are found."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LINT = "import sys; sys.path.insert(0, '.'); from importlinter.cli import lint_imports_command; lint_imports_command()"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "qat", tmp_path / "qat", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def lint(checkout: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", LINT, "--no-cache"]
    return subprocess.run(command, cwd=checkout, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("file", "planted", "said"),
    [
        ("graph/ops.py", "import qat.workflow", "qat.graph is not allowed to import qat.workflow"),
        ("errors.py", "import qat.targets", "qat.errors is not allowed to import qat.targets"),
        ("targets/j5_limits.py", "import qat.targets.j5", "No cycles are allowed in qat.targets"),
        ("models/__init__.py", "import yacs.config", "qat.models is not allowed to import yacs"),
        ("evaluation/loop.py", "import argparse", "qat.evaluation is not allowed to import argparse"),
        ("attic/__init__.py", "", "attic"),
    ],
)
def test_a_planted_import_breaks_its_contract(checkout: Path, file: str, planted: str, said: str) -> None:
    path = checkout / "qat" / file
    path.parent.mkdir(exist_ok=True)
    with path.open("a", encoding="utf-8") as source:
        source.write(f"\n{planted}\n")
    result = lint(checkout)
    assert result.returncode == 1
    assert said in result.stdout


def test_the_contracts_hold(checkout: Path) -> None:
    result = lint(checkout)
    assert result.returncode == 0, result.stdout
