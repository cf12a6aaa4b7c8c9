"""numpy, OpenCV and one runtime are enough for `qat.deploy`: from the wheel without dependencies, and as deploy.pyz."""

from __future__ import annotations

import importlib.util
import json
import sysconfig
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("onnxruntime", reason="needs the extra: runtimes")

from qat.compile.deploy_archive import write_archive
from tests.deploy.files import write_file
from tests.packaging.install import Environment, run

SITE = Path(sysconfig.get_paths()["purelib"])
BORROWED = [
    path.name for name in ("numpy*", "cv2", "opencv_python_headless*", "onnxruntime*") for path in SITE.glob(name)
]


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return Environment(tmp_path_factory.mktemp("bare") / "venv", BORROWED)


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a compiled file and a picture."""
    folder = tmp_path_factory.mktemp("board")
    write_file(folder / "model.onnx")
    cv2.imwrite(str(folder / "street.png"), np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8))
    return folder


def drawn(command: list[str], folder: Path) -> list[str]:
    said = json.loads(run([*command, "model.onnx", "street.png", "--json"], folder))
    assert cv2.imread(str(folder / "deployed" / "street.png")).shape == (40, 60, 3)
    return [said["runtime"], said["pictures"][0]["found"]]


def test_the_wheel_and_the_archive_draw_without_torch(bare: Environment, wheel: Path, board: Path) -> None:
    assert (
        bare.runs("import importlib.util as u; print(u.find_spec('torch'), u.find_spec('onnx'))", board) == "None None"
    )
    assert importlib.util.find_spec("torch")
    write_archive(board / "deploy.pyz")
    archived = drawn([bare.python, "deploy.pyz"], board)
    bare.install(wheel)
    assert drawn([bare.python, "-m", "qat.deploy"], board) == archived
    assert archived[0] == "ort"


def test_the_archive_is_the_same_bytes_each_time(tmp_path: Path) -> None:
    for name in ("one.pyz", "two.pyz"):
        write_archive(tmp_path / name)
    assert (tmp_path / "one.pyz").read_bytes() == (tmp_path / "two.pyz").read_bytes()
