"""The GitHub workflow: YAML that holds, targets that the Makefile has, the Python versions that the package names."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
WORKFLOW: dict[str, Any] = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))
PROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
JOBS = WORKFLOW["jobs"]


def commands(job: str) -> Iterator[str]:
    """The shell code of a job's steps."""
    return (step["run"] for step in JOBS[job]["steps"] if "run" in step)


@pytest.mark.parametrize("job", JOBS)
def test_a_step_runs_something_or_uses_a_version_of_an_action(job: str) -> None:
    assert {"runs-on", "timeout-minutes", "steps"} <= JOBS[job].keys()
    for step in JOBS[job]["steps"]:
        assert ("run" in step) != ("uses" in step)
        assert re.fullmatch(r"[\w-]+/[\w-]+@v\d+", step.get("uses", "a/b@v1"))


@pytest.mark.parametrize("job", JOBS)
def test_shell_code_parses_and_its_variables_of_the_matrix_are_there(job: str) -> None:
    matrix = JOBS[job].get("strategy", {}).get("matrix", {})
    for code in [*commands(job), JOBS[job].get("name", "")]:
        assert set(re.findall(r"\${{ matrix\.(\w+) }}", code)) <= set(matrix)
    for code in commands(job):
        shell = re.sub(r"\${{.*?}}", "x", code)
        assert subprocess.run([shutil.which("bash") or "sh", "-n"], input=shell.encode()).returncode == 0


def test_every_make_target_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    called = {target for job in JOBS for code in commands(job) for target in re.findall(r"^make ([a-z-]+)", code, re.M)}
    assert called <= targets
    assert {"setup", "test", "test-fast", "docs"} <= called


def test_the_python_versions_are_the_classifiers() -> None:
    named = re.findall(r'"Programming Language :: Python :: (3\.\d+)"', PROJECT)
    oldest = re.search(r'requires-python = ">=(3\.\d+)"', PROJECT)
    assert JOBS["test"]["strategy"]["matrix"]["python"] == named
    assert oldest
    assert named[0] == oldest.group(1)
    assert set(JOBS["wheel"]["strategy"]["matrix"]["python"]) == {named[0], named[-1]}


def test_torch_is_the_ranges_oldest_and_newest() -> None:
    found = re.search(r'"torch>=(\d+)\.(\d+),<(\d+)\.(\d+)"', PROJECT)
    assert found
    major, oldest, _, beyond = found.groups()
    assert JOBS["torch"]["strategy"]["matrix"]["torch"] == [f"{major}.{oldest}.*", f"{major}.{int(beyond) - 1}.*"]
