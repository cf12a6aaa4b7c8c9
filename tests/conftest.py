"""Optional test data: found where it is, skipped with a reason where it isn't. And which tests are slow."""

from __future__ import annotations

import os
from pathlib import Path

import hypothesis
import pytest

from tests.skips import pytest_make_collect_report, pytest_runtest_makereport

__all__ = ["pytest_make_collect_report", "pytest_runtest_makereport"]  # pytest finds its hooks here
_ROOT = Path(__file__).resolve().parents[1]

# Whole runs of commands, builds, accuracy on data: `make test-fast` leaves them out, as it does what is marked slow.
_SLOW = ("accuracy", "faults", "packaging", "tools")

hypothesis.settings.register_profile("no deadline", deadline=None)  # a busy machine is no failure
hypothesis.settings.load_profile("no deadline")


@pytest.fixture(scope="session")
def camvid_root() -> Path:
    """CamVid's folder: CAMVID_ROOT, else ../shared/camvid beside the project."""
    root = Path(os.environ.get("CAMVID_ROOT") or _ROOT.parent / "shared" / "camvid")
    if not (root / "val.txt").is_file():
        pytest.skip(f"needs CamVid: no {root / 'val.txt'}; set CAMVID_ROOT")
    return root


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what lies in a slow folder."""
    for item in items:
        if item.path.is_relative_to(_ROOT / "tests") and item.path.relative_to(_ROOT / "tests").parts[0] in _SLOW:
            item.add_marker(pytest.mark.slow)
