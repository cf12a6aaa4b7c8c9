"""The rows of artefacts and runtimes hold together, and reading them costs no library."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from qat.compile.artefacts import ARTEFACTS, INT8_KINDS, ArtefactSpec
from qat.compile.onnx.values import SPELLINGS
from qat.files import sha256
from qat.runtimes import BEST, NAMES, RUNTIMES, Adapter

BY_NAME = {spec.name: spec for spec in ARTEFACTS}
PYPROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"


def test_each_name_stands_once_and_each_kind_is_int8_or_not() -> None:
    assert len(BY_NAME) == len(ARTEFACTS)
    assert {"torchscript", "onnx_int8_s8", "onnx_int8_u8", "openvino_int8"} == INT8_KINDS
    assert all(spec.is_int8 == (spec.kind in INT8_KINDS) for spec in ARTEFACTS)


@pytest.mark.parametrize("spec", ARTEFACTS, ids=lambda spec: spec.name)
def test_a_row_names_what_there_is(spec: ArtefactSpec) -> None:
    assert set(spec.runtimes) <= set(NAMES)
    assert spec.spelling in ("", *SPELLINGS)
    assert spec.converter in ("", *NAMES)
    assert not (spec.is_int8 and spec.is_exact)


@pytest.mark.parametrize("runtime", RUNTIMES, ids=lambda runtime: runtime.name)
def test_a_runtime_runs_what_it_runs_best_and_what_it_converts(runtime: Adapter) -> None:
    name, conversions = runtime.name, runtime.conversions
    assert name in BY_NAME[BEST[name]].runtimes
    for conversion in conversions:
        assert BY_NAME[conversion.name].runtimes == (name,)


@pytest.mark.parametrize("runtime", RUNTIMES, ids=lambda runtime: runtime.name)
def test_its_package_is_a_dependency_or_in_the_extra(runtime: Adapter) -> None:
    assert f'"{runtime.package}' in PYPROJECT.read_text(encoding="utf-8")


def test_reading_the_rows_imports_no_library() -> None:
    """--help and the choices of the config wait for none of them."""
    code = (
        "import sys; import qat.compile.artefacts;"
        "print([m for m in ('torch', 'onnx', 'onnxruntime', 'openvino', 'cv2', 'MNN', 'ncnn') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_record_has_the_hashes_of_the_files_that_belong_to_it(tmp_path: Path) -> None:
    spec = BY_NAME["model_float.ncnn.param"]
    for name, text in ((spec.name, "param"), *((part, "weights") for part in spec.parts)):
        (tmp_path / name).write_text(text)
    record = spec.record(tmp_path, 7, ["ncnn"])
    assert record["parts"] == {"model_float.ncnn.bin": sha256(tmp_path / "model_float.ncnn.bin")}
    assert (record["bytes"], record["macs"], record["runtimes"]) == (12, 7, ["ncnn"])
