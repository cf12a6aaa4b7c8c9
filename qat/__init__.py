"""rtseg-qat: a float segmentation network becomes an int8 one, with its accuracy proven at every stage.

Names are imported when they are first used: a child process that only runs an artefact doesn't wait for torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from qat.version import __version__

if TYPE_CHECKING:
    from qat.backends.calibration import calibrate, load_calibration, save_calibration
    from qat.backends.fx import fake_quantized, prepare
    from qat.backends.fx import fake_quantized as fake_quantised
    from qat.backends.spec import QuantSpec
    from qat.compile.export_onnx import export_onnx
    from qat.errors import UserError
    from qat.evaluation import evaluate
    from qat.graph import check, rewrite
    from qat.models import build_model, load_checkpoint
    from qat.program.conversion import convert
    from qat.ptq.adaround import adaround
    from qat.ptq.bias import correct_biases
    from qat.ptq.equalise import equalize
    from qat.ptq.equalise import equalize as equalise
    from qat.workflow.load import load_stage

_HOMES = {
    "QuantSpec": "qat.backends.spec",
    "UserError": "qat.errors",
    "adaround": "qat.ptq.adaround",
    "build_model": "qat.models",
    "calibrate": "qat.backends.calibration",
    "check": "qat.graph",
    "convert": "qat.program.conversion",
    "correct_biases": "qat.ptq.bias",
    "equalize": "qat.ptq.equalise",
    "evaluate": "qat.evaluation",
    "export_onnx": "qat.compile.export_onnx",
    "fake_quantized": "qat.backends.fx",
    "load_calibration": "qat.backends.calibration",
    "load_checkpoint": "qat.models",
    "load_stage": "qat.workflow.load",
    "prepare": "qat.backends.fx",
    "rewrite": "qat.graph",
    "save_calibration": "qat.backends.calibration",
}
_ALIASES = {"equalise": "equalize", "fake_quantised": "fake_quantized"}  # British spellings
__all__ = [
    "QuantSpec",
    "UserError",
    "__version__",
    "adaround",
    "build_model",
    "calibrate",
    "check",
    "convert",
    "correct_biases",
    "equalise",
    "equalize",
    "evaluate",
    "export_onnx",
    "fake_quantised",
    "fake_quantized",
    "load_calibration",
    "load_checkpoint",
    "load_stage",
    "prepare",
    "rewrite",
    "save_calibration",
]


def __getattr__(name: str) -> Any:
    name = _ALIASES.get(name, name)
    if name not in _HOMES:
        raise AttributeError(f"module 'qat' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
