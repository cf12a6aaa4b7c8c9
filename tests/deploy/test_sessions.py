"""Which runtime a file gets, and what isn't here, without torch's word in it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from qat.deploy.sessions import ROWS, chosen, open_session, protocol
from qat.errors import UserError
from qat.runtimes import get_runtime
from tests.deploy.files import write_file


def absent(monkeypatch: pytest.MonkeyPatch, *modules: str) -> None:
    monkeypatch.setattr(protocol, "find_spec", lambda module: None if module in modules else object())


def test_the_first_that_is_here_runs_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    absent(monkeypatch)
    assert chosen(Path("a.onnx")).name == "ort"
    assert chosen(Path("a.onnx"), "opencv").name == "opencv"
    absent(monkeypatch, "onnxruntime")
    assert [chosen(Path(name)).name for name in ("a.onnx", "a.xml", "a.mnn", "a.ncnn.param")] == [
        *("openvino", "openvino", "mnn", "ncnn")
    ]


@pytest.mark.parametrize(
    ("file", "runtime", "form", "said"),
    [
        ("a.onnx", "onnxrt", "", "unknown runtime onnxrt"),
        ("a.mnn", "ort", "", r"ort takes a.mnn: ort takes .onnx; openvino takes .onnx, .xml"),
        ("a.pt", "", "", "no runtime takes a.pt"),
        ("a.mnn", "", "", "a.mnn needs MNN, which isn't installed"),
        ("a.onnx", "opencv", "int8 u8", "opencv doesn't run a.onnx: .*signed"),
    ],
)
def test_what_runs_nowhere_is_one_line(
    file: str, runtime: str, form: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    absent(monkeypatch, "MNN")
    with pytest.raises(UserError, match=said):
        chosen(Path(file), runtime, form)


def test_no_file_and_no_threads(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no file"):
        open_session(tmp_path / "a.onnx", ROWS["opencv"])
    (tmp_path / "a.onnx").write_bytes(b"")
    with pytest.raises(UserError, match="can't run on 0 threads"):
        open_session(tmp_path / "a.onnx", ROWS["opencv"], 0)


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row.is_here])
def test_a_device_that_is_not_here_is_refused_by_name(name: str) -> None:
    assert ROWS[name].device("cpu") == "CPU"
    with pytest.raises(UserError, match=rf"^{name} has no device TPU here; it has .*CPU"):
        get_runtime(name).on("TPU")


def test_mnn_does_not_fall_back_to_the_cpu_in_silence() -> None:
    pytest.importorskip("MNN")
    for device in {"OPENCL", "VULKAN", "CUDA", "METAL"} - set(ROWS["mnn"].devices()):
        with pytest.raises(UserError, match=f"mnn has no device {device} here"):
            get_runtime("mnn").on(device)


def test_torchscript_runs_on_the_cpu_alone() -> None:
    assert get_runtime("torchscript").on("cpu").name == "torchscript"
    with pytest.raises(UserError, match="torchscript runs on the CPU alone"):
        get_runtime("torchscript").on("CUDA")


def test_a_runtime_that_is_installed_in_part_is_one_line(tmp_path: Path) -> None:
    def broken() -> tuple[str, ...]:
        raise ImportError("libgomp.so.1: cannot open shared object file")

    (tmp_path / "a.mnn").write_bytes(b"")
    row = replace(ROWS["mnn"], devices=broken)
    with pytest.raises(UserError, match=r"^mnn can't be used: libgomp.so.1: .*; is MNN installed whole\?$"):
        open_session(tmp_path / "a.mnn", row)


@pytest.mark.filterwarnings("ignore:Specified provider")
def test_onnx_runtime_does_not_fall_back_to_the_cpu_in_silence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A build for GPUs names its provider where the GPU's libraries are missing too."""
    onnxruntime = pytest.importorskip("onnxruntime")
    monkeypatch.setattr(
        onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"]
    )
    onnxruntime.set_default_logger_severity(4)
    path = write_file(tmp_path / "a.onnx")
    with pytest.raises(UserError, match=r"ort can't start device CUDA: its libraries aren't here"):
        open_session(path, ROWS["ort"], device="cuda")
