"""Every installed runtime gives torch's result on a small network; what it can't take is one line."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from qat.errors import UserError
from qat.runtimes import RUNTIMES, executed_convolutions, get_runtime, installed, optional
from qat.runtimes.mnn import Mnn
from qat.runtimes.ncnn import Ncnn
from qat.runtimes.ort import Ort
from tests.runtimes.tiny import STEP, expected, picture

MODULES = {runtime.name: runtime.module for runtime in RUNTIMES if runtime.name != "torchscript"}


def needs(name: str) -> None:
    if name in MODULES and importlib.util.find_spec(MODULES[name]) is None:
        pytest.skip(f"needs the extra: runtimes (no {MODULES[name]})")


@pytest.fixture(scope="session")
def converted(artefacts: Path) -> Path:
    """The folder with float.mnn and float.ncnn.param too, where their packages are installed."""
    if importlib.util.find_spec("MNN"):
        Mnn().convert(artefacts / "float.onnx", artefacts / "float.mnn")
    if importlib.util.find_spec("ncnn") and importlib.util.find_spec("pnnx"):
        Ncnn().convert(artefacts / "float.onnx", artefacts / "float.ncnn.param")
    return artefacts


FLOAT = {
    "torchscript": "float.pt",
    "ort": "float.onnx",
    "openvino": "float.onnx",
    "opencv": "float.onnx",
    "mnn": "float.mnn",
    "ncnn": "float.ncnn.param",
}


@pytest.mark.parametrize("name", FLOAT)
def test_float_is_torchs_for_any_number_of_pictures(name: str, converted: Path) -> None:
    needs(name)
    session = get_runtime(name).load(converted / FLOAT[name], 2)
    for count in (1, 3):
        want = expected(picture(count), quantised=False)
        got = session.run(picture(count))
        assert got.shape == want.shape
        assert np.abs(got - want).max() < 1e-3 * np.abs(want).max()


@pytest.mark.parametrize("name", ["ort", "openvino"])
def test_a_free_batch(name: str, artefacts: Path) -> None:
    needs(name)
    got = get_runtime(name).load(artefacts / "any_batch.onnx", 1).run(picture(3))
    assert np.abs(got - expected(picture(3), quantised=False)).max() < 1e-3


INT8 = [("ort", "u8.onnx"), ("ort", "s8.onnx"), ("openvino", "s8.onnx"), ("opencv", "s8.onnx")]


@pytest.mark.parametrize(("name", "file"), INT8)
def test_int8_is_fake_quantised_torchs_within_steps(name: str, file: str, artefacts: Path) -> None:
    needs(name)
    want = expected(picture(2), quantised=True)
    steps = np.abs(get_runtime(name).load(artefacts / file, 1).run(picture(2)) - want) / STEP
    assert steps.max() < 3.01  # each of the grids on the way may round a tie the other way
    assert steps.mean() < 0.12
    assert len(np.unique(want)) > 20  # a grid so coarse that anything passes would not do


@pytest.mark.parametrize("file", ["u8.onnx", "s8.onnx"])
def test_without_optimisation_ort_is_the_reference(file: str, artefacts: Path) -> None:
    needs("ort")
    steps = np.abs(Ort(optimise=False).load(artefacts / file, 1).run(picture()) - expected(picture(), True)) / STEP
    assert steps.max() < 3.01
    assert steps.mean() < 0.1


@pytest.mark.parametrize(
    ("name", "file", "int8"), [("ort", "u8.onnx", 4), ("openvino", "s8.onnx", 4), ("ort", "float.onnx", 0)]
)
def test_layers_tell_which_convolutions_are_int8(name: str, file: str, int8: int, artefacts: Path) -> None:
    needs(name)
    layers = get_runtime(name).load(artefacts / file, 1).layers()
    found = executed_convolutions(layers)
    assert (found.int8, len(found.others)) == (int8, 4 - int8)
    assert all(layer.milliseconds >= 0 for layer in layers)
    assert sum(layer.milliseconds for layer in layers) > 0


def test_optimisation_off_leaves_float_convolutions(artefacts: Path) -> None:
    needs("ort")
    layers = Ort(optimise=False).load(artefacts / "u8.onnx", 1).layers()
    assert executed_convolutions(layers).int8 == 0


@pytest.mark.parametrize("name", ["ort", "openvino", "opencv", "mnn", "ncnn"])
def test_another_size_is_one_line(name: str, converted: Path) -> None:
    needs(name)
    with pytest.raises(UserError, match=r"takes float32 1x3x32x48 and the input is float32 1x3x32x47; give that"):
        get_runtime(name).load(converted / FLOAT[name], 1).run(picture()[..., :-1])


def test_another_type_is_one_line(artefacts: Path) -> None:
    needs("ort")
    with pytest.raises(UserError, match=r"takes float32 1x3x32x48 and the input is uint8 1x3x32x48"):
        get_runtime("ort").load(artefacts / "float.onnx", 1).run(picture().astype(np.uint8))


def test_torchscripts_own_error_is_one_line(artefacts: Path) -> None:
    with pytest.raises(UserError, match=r"^torchscript .* can't run .*float.pt: RuntimeError: .*must match") as seen:
        get_runtime("torchscript").load(artefacts / "float.pt", 1).run(picture()[..., :-8])
    assert "\n" not in str(seen.value)


@pytest.mark.parametrize("name", FLOAT)
def test_a_damaged_file_is_one_line_with_its_name(name: str, converted: Path, tmp_path: Path) -> None:
    needs(name)
    whole = (converted / FLOAT[name]).read_bytes()
    broken = tmp_path / FLOAT[name]
    (tmp_path / "float.ncnn.bin").write_bytes(b"")
    for content in (b"", b"damaged", whole[: len(whole) // 2]):
        broken.write_bytes(content)
        with pytest.raises(UserError, match=broken.name) as seen:
            get_runtime(name).load(broken, 1)
        assert "\n" not in str(seen.value)


def test_ncnn_misses_its_weights(converted: Path, tmp_path: Path) -> None:
    needs("ncnn")
    (tmp_path / "a.ncnn.param").write_bytes((converted / "float.ncnn.param").read_bytes())
    with pytest.raises(UserError, match=r"no weights at .*a.ncnn.bin, which belong to .*a.ncnn.param"):
        get_runtime("ncnn").load(tmp_path / "a.ncnn.param", 1)


@pytest.mark.parametrize(
    ("name", "file", "reason"),
    [
        ("mnn", "s8.onnx", "writes a network that can't run"),
        ("mnn", "float.onnx", "it takes .mnn files"),
        ("ncnn", "u8.onnx", "pnnx.Expression"),
        ("openvino", "u8.onnx", "crash"),
        ("opencv", "float.pt", "it takes float ONNX"),
    ],
)
def test_an_artefact_of_another_kind_is_refused_with_the_reason(
    name: str, file: str, reason: str, artefacts: Path
) -> None:
    needs(name)
    with pytest.raises(UserError, match=f"^{name} doesn't take .*{file} .*: .*{reason}"):
        get_runtime(name).load(artefacts / file, 1)


@pytest.mark.parametrize("name", MODULES)
def test_a_missing_package_names_the_extra(name: str, artefacts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optional, "find_spec", lambda module: None)
    line = f'{MODULES[name]} is not installed; pip install "rtseg-qat[runtimes]"'
    with pytest.raises(UserError) as seen:
        get_runtime(name).load(artefacts / "float.onnx", 1)
    assert str(seen.value) == line
    assert installed()[name] == line


def test_no_file_no_threads_no_such_suffix(artefacts: Path, tmp_path: Path) -> None:
    load = get_runtime("torchscript").load
    with pytest.raises(UserError, match=r"no artefact at .*none.pt; run make compile"):
        load(tmp_path / "none.pt", 1)
    with pytest.raises(UserError, match="can't run on 0 threads"):
        load(artefacts / "float.pt", 0)
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(UserError, match=r"torchscript doesn't take .*notes.txt \(.txt\): it takes TorchScript"):
        load(tmp_path / "notes.txt", 1)
