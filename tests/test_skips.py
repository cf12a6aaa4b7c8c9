"""A skip that nobody expects fails in CI, and only there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TEST_SKIPS = "import pytest\ndef test_it(): pytest.skip({reason!r})\n"
FILE_SKIPS = "import pytest\npytest.skip({reason!r}, allow_module_level=True)\n"
XFAILS = "import pytest\ndef test_it(): pytest.xfail({reason!r})\n"


def exit_code(folder: Path, text: str, environment: dict[str, str]) -> int:
    """Of pytest on a file with that text."""
    (folder / "test_it.py").write_text(text, encoding="utf-8")
    base = {name: value for name, value in os.environ.items() if name not in ("CI", "ALLOWED_SKIPS")}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.skips", "-p", "no:cacheprovider", "-c", os.devnull]
    command.append(str(folder / "test_it.py"))
    done = subprocess.run(command, cwd=ROOT, env=base | environment, capture_output=True, text=True)
    return 0 if done.returncode == 5 else done.returncode  # 5: no tests ran


@pytest.mark.parametrize(
    ("text", "reason", "environment", "fails"),
    [
        (TEST_SKIPS, "needs the extra: runtimes", {"CI": "1"}, True),
        (FILE_SKIPS, "needs the extra: runtimes", {"CI": "1"}, True),
        (TEST_SKIPS, "needs the extra: runtimes", {}, False),
        (FILE_SKIPS, "needs the extra: runtimes", {}, False),
        (TEST_SKIPS, "needs CamVid: no val.txt", {"CI": "1"}, False),
        (TEST_SKIPS, "needs Chromium", {"CI": "1"}, True),
        (TEST_SKIPS, "needs Chromium", {"CI": "1", "ALLOWED_SKIPS": "needs Chromium"}, False),
        (XFAILS, "known", {"CI": "1"}, False),
    ],
)
def test_in_ci_an_unexpected_skip_fails(
    tmp_path: Path, text: str, reason: str, environment: dict[str, str], fails: bool
) -> None:
    assert (exit_code(tmp_path, text.format(reason=reason), environment) != 0) == fails
