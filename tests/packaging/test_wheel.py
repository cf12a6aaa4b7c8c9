"""What the wheel holds: one package, its script, and all that the checkout keeps beside the package."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from tests.packaging.install import ROOT


@pytest.fixture(scope="module")
def names(wheel: Path) -> list[str]:
    return zipfile.ZipFile(wheel).namelist()


def test_it_has_one_top_level_name(names: list[str]) -> None:
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"qat"}


def test_it_has_the_console_script(wheel: Path, names: list[str]) -> None:
    path = next(name for name in names if name.endswith(".dist-info/entry_points.txt"))
    assert "rtseg-qat = qat.cli.entry:script" in zipfile.ZipFile(wheel).read(path).decode()


@pytest.mark.parametrize("folder", ["configs", "datasets"])
def test_every_yaml_beside_the_package_is_in_it(names: list[str], folder: str) -> None:
    beside = {f"qat/_data/{path.relative_to(ROOT).as_posix()}" for path in (ROOT / folder).rglob("*.yaml")}
    assert beside
    assert beside <= set(names)


def test_the_checkpoint_is_in_it_byte_by_byte(wheel: Path) -> None:
    name = "assets/pidnet_s_streets.safetensors"
    assert zipfile.ZipFile(wheel).read(f"qat/_data/{name}") == (ROOT / name).read_bytes()


def test_every_file_of_the_package_is_in_it(names: list[str]) -> None:
    files = {path for path in (ROOT / "qat").rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    assert {path.relative_to(ROOT).as_posix() for path in files if path.suffix != ".pyc"} <= set(names)
