"""The one code that runs a file in a runtime: a session each, which needs numpy, OpenCV and that runtime alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from qat.deploy.sessions import mnn, ncnn, opencv, openvino, ort, pplnn
from qat.deploy.sessions.protocol import CPU, Profiled, Row, Session
from qat.errors import UserError, as_user_error, nearest

__all__ = ["CPU", "ROWS", "Profiled", "Row", "Session", "chosen", "open_session"]

S8, U8 = "int8 s8", "int8 u8"
_CRASH = "OpenVINO 2026.4 crashes on u8 files of some networks; give it model_openvino.onnx, with the same numbers"
_UNSIGNED = "OpenCV's int8 layers take signed integers; give it model.onnx, with the same numbers"
_NO_QDQ = "PPLNN runs float files of operator set 11; rtseg-qat export --opset 11 makes one"
_ROWS = (  # in the order of choice for a suffix
    Row("ort", "onnxruntime", (".onnx",), ort.OrtSession, ort.devices),
    Row("openvino", "openvino", (".onnx", ".xml"), openvino.OpenVinoSession, openvino.devices, {U8: _CRASH}),
    Row("opencv", "cv2", (".onnx",), opencv.OpenCvSession, opencv.devices, {U8: _UNSIGNED}),
    Row("mnn", "MNN", (".mnn",), mnn.MnnSession, mnn.devices),
    Row("ncnn", "ncnn", (".param",), ncnn.NcnnSession, ncnn.devices),
    Row("pplnn", "pplnn", (".onnx",), pplnn.PplnnSession, pplnn.devices, {U8: _NO_QDQ, S8: _NO_QDQ}, is_program=True),
)
ROWS: Mapping[str, Row] = {row.name: row for row in _ROWS}


def chosen(path: Path, runtime: str = "", form: str = "") -> Row:
    """The runtime called `runtime`, or for "" the first one here that takes the file.

    `form`: of the network in the file, where that is known (`qat.deploy.facts`). Raises UserError where there is none.
    """
    if runtime and runtime not in ROWS:
        raise UserError(f"unknown runtime {runtime}; {nearest(runtime, ROWS)}")
    fitting = [row for row in ROWS.values() if path.suffix.lower() in row.suffixes]
    wanted = [row for row in fitting if runtime in ("", row.name)]
    if not wanted:
        takes = "; ".join(f"{row.name} takes {', '.join(row.suffixes)}" for row in ROWS.values())
        raise UserError(f"{runtime or 'no runtime'} takes {path.name}: {takes}")
    here = [row for row in wanted if row.is_here]
    if not here:
        needs = " or ".join(dict.fromkeys(row.module for row in wanted))
        raise UserError(f"{path.name} needs {needs}, which isn't installed")
    if form in here[0].refused:
        raise UserError(f"{here[0].name} doesn't run {path.name}: {here[0].refused[form]}")
    return here[0]


def open_session(path: Path, row: Row, threads: int = 1, device: str = "") -> Session:
    """Open a file to run on `threads` threads of a device of the runtime.

    Raises UserError: no such file, no such device, a file that the runtime can't read.
    """
    if not path.is_file():
        raise UserError(f"there is no file {path}")
    if threads < 1:
        raise UserError(f"{row.name} can't run on {threads} threads; give 1 or more")
    with as_user_error(f"{row.name} can't be used", f"is {row.module} installed whole?"):
        place = row.device(device)
    with as_user_error(f"{row.name} can't load {path}", "is the file damaged?"):
        return row.open(path, threads, place)
