"""The documented names of horizon_plugin_pytorch.quantization."""

from __future__ import annotations

from . import qconfig
from .compiler import check_model, compile_model, export_hbir, perf_model, visualize_model
from .convert import convert_fx
from .fake_quantize import FakeQuantState, set_fake_quantize
from .fuse import fuse_fx
from .prepare import prepare_qat_fx
from .stubs import QuantStub

__all__ = [
    "FakeQuantState",
    "QuantStub",
    "check_model",
    "compile_model",
    "convert_fx",
    "export_hbir",
    "fuse_fx",
    "perf_model",
    "prepare_qat_fx",
    "qconfig",
    "set_fake_quantize",
    "visualize_model",
]
