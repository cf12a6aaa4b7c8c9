"""numpy, OpenCV and one runtime are enough for `qat.deploy`: from the wheel without dependencies, and as deploy.pyz."""

from __future__ import annotations

import importlib.util
import json
import sys
import sysconfig
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("onnxruntime", reason="needs the extra: runtimes")

from qat.compile.deploy_archive import write_archive
from qat.runtimes import get_runtime
from tests.deploy.files import texts, write_file
from tests.packaging.install import Environment, run

SITE = Path(sysconfig.get_paths()["purelib"])
ALWAYS = ("numpy*", "cv2", "opencv_python_headless*")
RUNTIMES = {
    "ort": ("model.onnx", "onnxruntime", ("onnxruntime*",)),
    "openvino": ("model.xml", "openvino", ("openvino*",)),
    "opencv": ("model.onnx", "cv2", ()),
    "mnn": ("model.mnn", "MNN", ("MNN", "_mnncengine*", "mnn*")),
    "ncnn": ("model.ncnn.param", "ncnn", ("ncnn*",)),
}
"""Of each runtime a file, the module, and what it is installed as."""


def borrowed(*more: str) -> list[str]:
    return [path.name for name in (*ALWAYS, *more) for path in SITE.glob(name)]


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return Environment(tmp_path_factory.mktemp("bare") / "venv", borrowed("onnxruntime*"))


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with deploy.pyz, a compiled file of each runtime and a picture."""
    folder = tmp_path_factory.mktemp("board")
    source = write_file(folder / "model.onnx")
    (folder / "model.json").write_text(json.dumps(texts()))
    for name, (file, module, _) in RUNTIMES.items():
        if file != source.name and importlib.util.find_spec(module):
            get_runtime(name).convert(source, folder / file)
    write_archive(folder / "deploy.pyz")
    cv2.imwrite(str(folder / "street.png"), np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8))
    return folder


def drawn(command: list[str], folder: Path, file: str = "model.onnx") -> list[str]:
    said = json.loads(run([*command, file, "street.png", "--json"], folder))
    assert cv2.imread(str(folder / "deployed" / "street.png")).shape == (40, 60, 3)
    return [said["runtime"], said["pictures"][0]["found"]]


def test_the_wheel_and_the_archive_draw_without_torch(bare: Environment, wheel: Path, board: Path) -> None:
    assert (
        bare.runs("import importlib.util as u; print(u.find_spec('torch'), u.find_spec('onnx'))", board) == "None None"
    )
    assert importlib.util.find_spec("torch")
    archived = drawn([bare.python, "deploy.pyz"], board)
    bare.install(wheel)
    assert drawn([bare.python, "-m", "qat.deploy"], board) == archived
    assert archived[0] == "ort"


@pytest.mark.parametrize("name", [name for name in RUNTIMES if name != "ort"])
def test_each_runtime_alone_is_enough(name: str, board: Path, tmp_path: Path) -> None:
    file, module, packages = RUNTIMES[name]
    pytest.importorskip(module, reason="needs the extra: runtimes")
    alone = Environment(tmp_path / "venv", borrowed(*packages))
    found = drawn([alone.python, "deploy.pyz", "--runtime", name], board, file)
    assert found == [name, drawn([sys.executable, "deploy.pyz", "--runtime", "ort"], board)[1]]


def test_the_archive_is_the_same_bytes_each_time(tmp_path: Path) -> None:
    for name in ("one.pyz", "two.pyz"):
        write_archive(tmp_path / name)
    assert (tmp_path / "one.pyz").read_bytes() == (tmp_path / "two.pyz").read_bytes()
