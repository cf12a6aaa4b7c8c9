"""Compile and stage compiled on the embedded streets: every file, every runtime, and what a user can get wrong."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from qat.compile.artefacts import ARTEFACTS
from qat.config import load_config
from qat.files import sha256
from qat.runtimes import BEST, executed_convolutions, get_runtime, installed
from qat.stages import CHECKPOINTS, finished_stages
from qat.state_file import read_state, write_state
from qat.workflow.run import run_of
from tests.accuracy.runs import ROOT, tool

MISSING = [name for name, version in installed().items() if "not installed" in version]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"needs the extra runtimes: no {', '.join(MISSING)}")
STREETS = ROOT / "configs" / "streets" / "pidnet_s.yaml"
FIGURES = ("agreement_int_infer", "pixels_changed", "mean_iou", "images")
INT8 = {"torchscript", "ort", "openvino", "opencv"}


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    root = tmp_path_factory.mktemp("streets")
    few = "DATASET.STREETS_TRAIN 4 DATASET.STREETS_VAL 3 QUANT.CALIB_IMAGES 4 WORKERS 0"
    quick = "COMPILE.PARITY_IMAGES 2 COMPILE.BENCH_ROUNDS 0 QUANT.WEIGHT_OBSERVER min_max"
    return [*few.split(), *quick.split(), "DATASET.ROOT", str(root / "data"), "OUTPUT_DIR", str(root / "output")]


@pytest.fixture(scope="module")
def calibrated(options: list[str]) -> list[str]:
    said = tool("compile", *options, code=2)
    assert said.splitlines()[-1].startswith("error: no calibration at ")
    tool("calib", *options)
    said = tool("eval", "--stage", "compiled", *options, code=2)
    assert said.splitlines()[-1].startswith("error: no compiled artefacts in ")
    return options


@pytest.fixture(scope="module")
def folder(calibrated: list[str]) -> Path:
    said = tool("compile", *calibrated)
    assert "model.onnx in mnn refused: " in said
    return Path(calibrated[-1]) / "streets" / "pidnet_s" / "compile"


@pytest.fixture(scope="module")
def evaluated(folder: Path, calibrated: list[str]) -> dict[str, dict[str, Any]]:
    """metrics.json of float, int_infer and every runtime."""
    tool("eval", "--stage", "int_infer", *calibrated)
    for runtime in BEST:
        said = tool("eval", "--stage", "compiled", *calibrated, "COMPILE.RUNTIME", runtime)
        assert f"compiled {runtime} keeps " in said
    return {path.parent.name: json.loads(path.read_text()) for path in folder.parent.rglob("metrics.json")}


def read(folder: Path, name: str) -> dict[str, Any]:
    return json.loads((folder / name).read_text())


def test_the_manifest_lists_every_file_with_its_hash_and_size(folder: Path) -> None:
    manifest = read(folder, "manifest.json")
    assert set(manifest["artefacts"]) == {made.name for made in ARTEFACTS}
    assert manifest["missing"] == {}
    assert manifest["best"] == BEST
    for name, record in manifest["artefacts"].items():
        parts = {name: record["sha256"], **record["parts"]}
        assert {part: sha256(folder / part) for part in parts} == parts
        assert record["bytes"] == sum((folder / part).stat().st_size for part in parts)
    assert list(manifest["artefacts"]["model_float.ncnn.param"]["parts"]) == ["model_float.ncnn.bin"]
    assert manifest["input"] == {"height": 256, "width": 512, "type": "float", "batch": "1"}


def test_the_pictures_of_the_network_are_there(folder: Path) -> None:
    assert "<svg" in (folder / "graph.svg").read_text()
    assert "<html" in (folder / "graph.html").read_text()


@pytest.mark.parametrize(("name", "runtime"), [(made.name, r) for made in ARTEFACTS for r in made.runtimes])
def test_parity(folder: Path, name: str, runtime: str) -> None:
    entry = read(folder, "parity.json")[name][runtime]
    if name == "model.onnx" and runtime in ("mnn", "ncnn"):
        assert entry["status"] == "refused"
        assert "convert model_float.onnx" in entry["reason"]
        return
    assert (entry["status"], entry["reason"]) == ("ok", "")
    assert set(FIGURES) <= entry.keys()
    assert entry["images"] == 2
    assert ("agreement_reference" in entry) == name.endswith(".onnx")
    if "float" in name and "fp16" not in name and "w8" not in name:
        assert entry["pixels_changed"] <= 0.0001
    if name == "int_model.pt":
        assert entry["agreement_int_infer"] == 1


@pytest.mark.parametrize(("name", "runtime"), [("model_ort.onnx", "ort"), ("model_openvino.onnx", "openvino")])
def test_every_convolution_runs_in_int8(folder: Path, name: str, runtime: str) -> None:
    session = get_runtime(runtime).load(folder / name, 1)
    found = executed_convolutions(session.layers())
    session.close()
    assert found.others == ()
    assert found.int8 >= 50


@pytest.mark.parametrize("runtime", BEST)
def test_each_runtime_has_the_stages_accuracy(
    calibrated: list[str], evaluated: dict[str, dict[str, Any]], runtime: str
) -> None:
    wanted = evaluated["int_infer" if runtime in INT8 else "float"]["mean_iou"]
    assert evaluated[runtime]["mean_iou"] == pytest.approx(wanted, abs=0.002 if runtime in INT8 else 1e-4)
    assert evaluated[runtime]["images"] == 3
    assert f"compiled {runtime}" in finished_stages(run_of(load_config(STREETS, calibrated)))


def test_the_run_records_what_it_evaluated(folder: Path, evaluated: dict[str, dict[str, Any]]) -> None:
    for runtime, name in BEST.items():
        manifest = read(folder / "eval" / runtime, "manifest.json")
        assert (manifest["artefact"], manifest["artefact_sha256"]) == (name, sha256(folder / name))
        assert manifest["runtime"].startswith(runtime)


def test_infer_draws_with_an_artefact(calibrated: list[str], folder: Path, tmp_path: Path) -> None:
    picture = next(Path(calibrated[-3]).rglob("leftImg8bit/val/*/*.png"))
    tool("infer", "--stage", "compiled", "--input", str(picture), "--output", str(tmp_path / "drawn"), *calibrated)
    assert [path.name for path in (tmp_path / "drawn").iterdir()] == [f"{picture.stem}.png"]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ("COMPILE.ARTEFACT model_or.onnx", "made no model_or.onnx in .*: did you mean model_ort.onnx?"),
        ("COMPILE.ARTEFACT model.onnx COMPILE.RUNTIME mnn", "mnn doesn't take .*model.onnx .*convert model_float.onnx"),
        ("QUANT.OBSERVER min_max", "are stale: compiled with QUANT.OBSERVER percentile, now it is min_max; run make"),
    ],
)
def test_what_eval_refuses(calibrated: list[str], folder: Path, changed: str, said: str) -> None:
    shown = tool("eval", "--stage", "compiled", *calibrated, *changed.split(), code=2).splitlines()[-1]
    assert re.search(said, shown), shown


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ("COMPILE.OPSET 12", "COMPILE.OPSET is 12; expected an ONNX operator set from 13 to 21"),
        ("COMPILE.RUNTIMES ['opencvv']", r"unknown runtime opencvv; did you mean opencv\?"),
        ("QUANT.PERCENTILE 99.9", "was made with QUANT.PERCENTILE 99.99, now it is 99.9; run make calib again"),
        ("TEST.MODEL_FILE none.pt", "no checkpoint at none.pt"),
    ],
)
def test_what_compile_refuses(calibrated: list[str], folder: Path, changed: str, said: str) -> None:
    before = sorted(folder.rglob("*")), sha256(folder / "manifest.json")
    shown = tool("compile", *calibrated, *changed.split(), code=2).splitlines()[-1]
    assert re.match(f"error: .*{said}", shown), shown
    assert before == (sorted(folder.rglob("*")), sha256(folder / "manifest.json"))
    assert not list(folder.parent.glob(".compile*"))


@pytest.mark.parametrize("name", ["model_ort.onnx", "model_float.ncnn.bin"])
def test_a_damaged_artefact(calibrated: list[str], folder: Path, name: str) -> None:
    runtime, kept = ("ncnn" if "ncnn" in name else "ort"), (folder / name).read_bytes()
    try:
        (folder / name).write_bytes(kept[:5000] + bytes([kept[5000] ^ 1]) + kept[5001:])
        said = tool("eval", "--stage", "compiled", *calibrated, "COMPILE.RUNTIME", runtime, code=2)
    finally:
        (folder / name).write_bytes(kept)
    assert f"{name} is damaged: its bytes aren't those that make compile wrote; run it again" in said.splitlines()[-1]


def test_a_new_calibration_makes_the_artefacts_stale(
    calibrated: list[str], evaluated: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    shutil.copytree(calibrated[-1], tmp_path / "output")
    anew = [*calibrated[:-1], str(tmp_path / "output"), "COMPILE.INPUT_SIZE", "64,128", "COMPILE.RUNTIMES", "['ort']"]
    checkpoint = tmp_path / "output" / "streets" / "pidnet_s" / "calib" / CHECKPOINTS["calib"]
    saved = read_state(checkpoint, "again")
    write_state(checkpoint, saved | {"done": saved["done"] + 1})  # other images give other bytes
    said = tool("eval", "--stage", "compiled", *anew, code=2)
    assert "are stale: compiled with calib's checkpoint (sha256) " in said.splitlines()[-1]
    assert "compiled ort" not in tool("eval", "--stage", "float", *anew)
    tool("compile", *anew, "COMPILE.OUTPUT", "argmax")
    said = tool("eval", "--stage", "compiled", *anew)
    assert "compiled ort" in said
    assert "compiled openvino" not in said
