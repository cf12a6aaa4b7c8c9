"""PPLNN isn't here: a stand-in holds the contract of tools/pplnn.cc, its switches, files and what it prints."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnxruntime", reason="needs the extra: runtimes")

from qat.deploy.bench import bench
from qat.deploy.model import open_model
from qat.errors import UserError
from tests.deploy.files import write_file

STAND_IN = """#!{python}
import re, sys
from pathlib import Path
import numpy as np
import onnxruntime

FLAGS = {{"--use-x86", "--save-outputs", "--enable-profiling"}}
VALUES = {{"--onnx-model", "--num-threads", "--reshaped-inputs", "--save-data-dir", "--warmup-iterations",
          "--min-profiling-seconds", "--min-profiling-iterations"}}
words, given = sys.argv[1:], {{}}
while words:
    word = words.pop(0)
    if word not in FLAGS | VALUES:
        print(f"[ERROR] unknown option(s): '{{word}}'.", file=sys.stderr)
        sys.exit(255)
    given[word] = words.pop(0) if word in VALUES else True
print("ppl.nn version: [0.9.2], commit: [76ed9361]")
if "--use-x86" not in given or int(given["--num-threads"]) != 2:
    sys.exit(255)
name, sides, kind = Path(given["--reshaped-inputs"]).name.split("-")
assert kind == "fp32.dat"
x = np.fromfile(given["--reshaped-inputs"], np.float32).reshape([int(side) for side in sides.split("_")])
session = onnxruntime.InferenceSession(given["--onnx-model"])
outputs = session.run(None, {{session.get_inputs()[0].name: x}})
print("----- input info -----\\ninput[0]:\\n    name: image\\n    dim(s): 1 3 32 48\\n    data type: FLOAT32")
print("----- output info -----")
for at, (end, value) in enumerate(zip(session.get_outputs(), outputs)):
    dims = "".join(f" {{side}}" for side in value.shape)
    print(f"output[{{at}}]:\\n    name: {{end.name}}\\n    dim(s):{{dims}}\\n    data type: FLOAT32")
    print("    data format: NDARRAY\\n    byte(s) excluding padding: 0\\n    saved data type: FLOAT32")
    if "--save-outputs" in given:
        value.tofile(Path(given["--save-data-dir"]) / f"pplnn_output-{{end.name}}.dat")
if "--enable-profiling" in given:
    rounds = int(given["--min-profiling-iterations"])
    print(f"[INFO] Total duration: {{2.5 * rounds}} ms", file=sys.stderr)
"""


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "bin" / "pplnn"
    path.parent.mkdir()
    path.write_text(STAND_IN.format(python=sys.executable))
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{path.parent}{os.pathsep}{os.environ['PATH']}")
    return path


def test_it_runs_a_float_file_as_onnx_runtime_does(tool: Path, tmp_path: Path) -> None:
    picture = np.random.default_rng(5).integers(0, 256, (60, 88, 3), np.uint8)
    path = write_file(tmp_path / "model.onnx")
    model = open_model(path, "pplnn", threads=2)
    assert model.session.note == "a process for each run"
    assert np.array_equal(model.run(picture), open_model(path, "ort").run(picture))


def test_bench_takes_the_tools_own_times(tool: Path, tmp_path: Path) -> None:
    assert bench(write_file(tmp_path / "model.onnx"), "pplnn", [2], rounds=4).milliseconds == {2: 2.5}


def test_what_goes_wrong_is_one_line(tool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_file(tmp_path / "model.onnx")
    picture = np.zeros((30, 44, 3), np.uint8)
    with pytest.raises(UserError, match=r"^pplnn can't run .*model.onnx: pplnn ended with code 255: .*unknown option"):
        open_model(path, "pplnn", device="CUDA").run(picture)
    with pytest.raises(UserError, match=r"pplnn doesn't run model.onnx: PPLNN runs float files of operator set 11"):
        open_model(write_file(tmp_path / "model.onnx", form="int8 s8"), "pplnn")
    tool.unlink()
    with pytest.raises(UserError, match=r"model.onnx needs pplnn, which isn't installed"):
        open_model(write_file(tmp_path / "model.onnx"), "pplnn")
