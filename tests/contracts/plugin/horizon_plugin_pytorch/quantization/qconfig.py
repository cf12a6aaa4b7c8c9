"""What to quantise a module's weight and output with."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import torch

from .fake_quantize import FakeQuantize, WeightFakeQuantize
from .observers import OBSERVERS

_FAKE_QUANTS = ("fake_quant", "lsq", "pact")
_ACTIVATION_KEYS = {"averaging_constant", "percentile", "num_bins", "dtype"}
_WEIGHT_KEYS = {"qscheme", "ch_axis", "averaging_constant", "dtype"}


class QConfig(NamedTuple):
    activation: Any
    weight: Any


def get_default_qconfig(
    activation_fake_quant: str | None = "fake_quant",
    weight_fake_quant: str | None = "fake_quant",
    activation_observer: str | None = "min_max",
    weight_observer: str | None = "min_max",
    activation_qkwargs: Mapping[str, Any] | None = None,
    weight_qkwargs: Mapping[str, Any] | None = None,
) -> QConfig:
    _check(activation_fake_quant, activation_observer, activation_qkwargs, _ACTIVATION_KEYS)
    _check(weight_fake_quant, weight_observer, weight_qkwargs, _WEIGHT_KEYS)
    _check_weight(dict(weight_qkwargs or {}))
    if activation_fake_quant is None:
        return QConfig(None, partial(WeightFakeQuantize, weight_observer))
    activation = partial(FakeQuantize, activation_observer, **dict(activation_qkwargs or {}))
    return QConfig(activation, partial(WeightFakeQuantize, weight_observer))


def _check(kind: str | None, observer: str | None, settings: Mapping[str, Any] | None, known: set[str]) -> None:
    if kind is not None and kind not in _FAKE_QUANTS:
        raise ValueError(f"unknown fake_quant {kind}, expected one of {_FAKE_QUANTS}")
    if kind is not None and observer not in OBSERVERS:
        raise ValueError(f"unknown observer {observer}, expected one of {tuple(OBSERVERS)}")
    if unknown := set(settings or {}) - known:
        raise TypeError(f"unexpected qkwargs {sorted(unknown)}, expected some of {sorted(known)}")


def _check_weight(settings: dict[str, Any]) -> None:
    scheme = settings.get("qscheme", torch.per_channel_symmetric)
    if scheme != torch.per_channel_symmetric or settings.get("ch_axis", 0) != 0:
        raise ValueError("weights are per-channel symmetric along axis 0")


default_calib_8bit_fake_quant_qconfig = get_default_qconfig(activation_observer="percentile")
default_qat_8bit_fake_quant_qconfig = get_default_qconfig()
default_calib_8bit_weight_32bit_out_fake_quant_qconfig = get_default_qconfig(None, activation_observer=None)
default_qat_8bit_weight_32bit_out_fake_quant_qconfig = default_calib_8bit_weight_32bit_out_fake_quant_qconfig
default_calib_8bit_weight_16bit_act_fake_quant_qconfig = get_default_qconfig(activation_qkwargs={"dtype": "qint16"})
default_qat_8bit_weight_16bit_act_fake_quant_qconfig = default_calib_8bit_weight_16bit_act_fake_quant_qconfig
