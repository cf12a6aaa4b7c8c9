"""Bundles of a network that takes no time."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.contracts.fixture import stand_in
from tests.handover.small import write

__all__ = ["stand_in"]


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("written") / "bundle")


@pytest.fixture
def bundle(written: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(written, tmp_path / "bundle"))
