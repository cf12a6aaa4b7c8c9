"""The vendor's plugin: its names, its qconfigs and its three states."""

from __future__ import annotations

import importlib
from typing import Any

import torch
from torch import nn

from .mistake import Mistake, called, first_line
from .plan import Plan

ROOT = "horizon_plugin_pytorch"
DOCUMENTED = "the documentation of OpenExplorer 1.1.x (plugin 1.8 and 1.9) has it: run in that image"
NEEDED = {
    "march": ("March", "set_march"),
    "quantization": (
        *("QuantStub", "FakeQuantState", "set_fake_quantize", "prepare_qat_fx", "convert_fx"),
        *("check_model", "compile_model", "export_hbir", "perf_model", "visualize_model"),
    ),
    "quantization.qconfig": ("get_default_qconfig",),
}
NEEDED_BY = {"pyramid": {"functional": ("centered_yuv2rgb",)}}  # more, by the plan's input source
TAIL = (  # 32-bit output, by the newest name and by that before plugin 1.9.0
    "default_{}_8bit_weight_32bit_out_fake_quant_qconfig",
    "default_{}_out_8bit_fake_quant_qconfig",
)
INT16 = ("default_{}_8bit_weight_16bit_act_fake_quant_qconfig",)


def part(name: str = "") -> Any:
    """The plugin's module `name`."""
    path = f"{ROOT}.{name}" if name else ROOT
    try:
        return importlib.import_module(path)
    except ImportError as error:
        raise Mistake(f"{path} doesn't import ({first_line(error)}); run in the vendor's Docker image") from error


def version() -> str:
    """The plugin's version; unknown where it doesn't say."""
    return str(getattr(part(), "__version__", "unknown"))


def check_names(plan: Plan) -> None:
    """Raises Mistake for the first name that this version of the plugin lacks, before anything is computed."""
    for module, names in {**NEEDED, **NEEDED_BY.get(plan["input"]["source"], {})}.items():
        for name in names:
            if not hasattr(part(module), name):
                raise Mistake(f"{ROOT} {version()} has no {module}.{name}; {DOCUMENTED}")


def set_march(name: str) -> None:
    """Before prepare, or accuracy is lost in silence."""
    march = part("march")
    if not hasattr(march.March, name.upper()):
        raise Mistake(f"{ROOT} {version()} has no march {name}; set COMPILE.MARCH and write the bundle again")
    march.set_march(getattr(march.March, name.upper()))


def set_state(model: nn.Module, state: str) -> None:
    """CALIBRATION, VALIDATION or QAT; each asserts the module mode that belongs to it, so that is set first."""
    model.train(state == "QAT")
    quantization = part("quantization")
    called(quantization.set_fake_quantize, model, getattr(quantization.FakeQuantState, state))


def qconfigs(plan: Plan, kind: str) -> dict[str, Any]:
    """The argument of prepare_qat_fx. `kind`: calib, or qat with frozen activation scales."""
    settings = plan["qconfig"]
    activation = {**settings["activation_qkwargs"], **({"averaging_constant": 0} if kind == "qat" else {})}
    everywhere = called(
        part("quantization.qconfig").get_default_qconfig,
        activation_fake_quant="fake_quant",
        weight_fake_quant="fake_quant",
        activation_observer=settings["activation_observer"],
        weight_observer=settings["weight_observer"],
        activation_qkwargs=activation,
        weight_qkwargs={"qscheme": torch.per_channel_symmetric, "ch_axis": 0},
    )
    named = [(name, _named(INT16, kind)) for name in plan["int16"]] + [
        (name, _named(TAIL, kind)) for name in plan["tail"]
    ]
    return {"": everywhere, "module_name": named}


def _named(names: tuple[str, ...], kind: str) -> Any:
    module = part("quantization.qconfig")
    for name in names:
        if hasattr(module, name.format(kind)):
            return getattr(module, name.format(kind))
    raise Mistake(f"{ROOT} {version()} has no quantization.qconfig.{names[0].format(kind)}; {DOCUMENTED}")


def prepared(plan: Plan, kind: str) -> nn.Module:
    """A network of its own with the plugin's observers, which share attributes with what they are given."""
    set_march(plan["march"])
    quantization = part("quantization")
    scale = 1 / 128 if plan["input"]["source"] == "pyramid" else None
    network = plan.network(lambda: quantization.QuantStub(scale=scale), _dequant_stub())
    ready: nn.Module = called(quantization.prepare_qat_fx, network, qconfigs(plan, kind))
    return ready


def _dequant_stub() -> Any:
    try:
        return importlib.import_module("torch.ao.quantization").DeQuantStub
    except ImportError:  # torch 1.10 has it under its older name only
        return importlib.import_module("torch.quantization").DeQuantStub
