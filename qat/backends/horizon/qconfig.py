"""The settings for the plugin: a qconfig for all, and 32-bit output for the tail."""

from __future__ import annotations

from typing import Any

import torch

from qat.backends.horizon.plugin import call, tool
from qat.backends.spec import QuantSpec
from qat.errors import UserError

PER_CHANNEL = {"qscheme": torch.per_channel_symmetric, "ch_axis": 0}  # of weights; named since versions differ
TAIL = (  # 32-bit output, by the newest name and by that before plugin 1.9.0
    "default_calib_8bit_weight_32bit_out_fake_quant_qconfig",
    "default_calib_out_8bit_fake_quant_qconfig",
)


def qconfig_dict(spec: QuantSpec, tail: list[str], batches: int) -> dict[str, Any]:
    """The argument of prepare_qat_fx: int8 for all, high-precision output for the modules named in `tail`.

    `batches`: of calibration. UserError where the device can't do it: an affine grid, float output but at the tail.
    """
    if spec.scheme != "symmetric":
        raise UserError(f"J5 has symmetric int8 only and QUANT.SCHEME is {spec.scheme}; set QUANT.SCHEME symmetric")
    inner = [name for name in spec.high_precision if name not in tail]
    if inner:
        raise UserError(
            f"QUANT.HIGH_PRECISION names {inner[0]}, and J5 gives high precision only at the tail ({', '.join(tail)}); "
            "take it out"
        )
    tail_qconfig = tool("quantization.qconfig", *TAIL)
    return {"": _everywhere(spec, batches), "module_name": [(name, tail_qconfig) for name in tail]}


def _everywhere(spec: QuantSpec, batches: int) -> Any:
    return call(
        tool("quantization.qconfig", "get_default_qconfig"),
        advice="choose QUANT.OBSERVER and QUANT.WEIGHT_OBSERVER (min_max, mse) that this version of the plugin has",
        activation_fake_quant="fake_quant",
        weight_fake_quant="fake_quant",
        activation_observer=spec.observer,
        weight_observer=spec.weight_observer,
        activation_qkwargs=observer_settings(spec, batches),
        weight_qkwargs=PER_CHANNEL,
    )


def observer_settings(spec: QuantSpec, batches: int) -> dict[str, float]:
    """The plugin has moving averages only: None becomes the constant whose batches have the mean age of a plain mean.

    With the plugin's own default, 0.01, the first of 64 batches counts for half.
    """
    constant = 2 / (batches + 1) if spec.averaging_constant is None else spec.averaging_constant
    return {"averaging_constant": constant} | ({"percentile": spec.percentile} if spec.observer == "percentile" else {})
