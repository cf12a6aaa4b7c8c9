"""Optional test data: found where it is, skipped with a reason where it isn't."""

from __future__ import annotations

import os
from pathlib import Path

import hypothesis
import pytest

_ROOT = Path(__file__).resolve().parents[1]

hypothesis.settings.register_profile("no deadline", deadline=None)  # a busy machine is no failure
hypothesis.settings.load_profile("no deadline")


@pytest.fixture(scope="session")
def camvid_root() -> Path:
    """CamVid's folder: CAMVID_ROOT, else ../shared/camvid beside the project."""
    root = Path(os.environ.get("CAMVID_ROOT") or _ROOT.parent / "shared" / "camvid")
    if not (root / "val.txt").is_file():
        pytest.skip(f"needs CamVid: no {root / 'val.txt'}; set CAMVID_ROOT")
    return root
