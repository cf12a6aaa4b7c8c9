"""What torch.ao is told: patterns to fuse, and a qconfig for each part of the graph."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from qat.ao import (
    BackendConfig,
    DTypeConfig,
    PlaceholderObserver,
    QConfig,
    QConfigMapping,
    UniformQuantizationObserverBase,
    get_x86_backend_config,
)
from qat.backends.quantiser import ActivationQuantiser
from qat.backends.spec import QuantSpec
from qat.ptq.weights import weight_scales

SIGMOIDS = (torch.sigmoid, torch.nn.functional.sigmoid, nn.Sigmoid, "sigmoid")


class WeightObserver(UniformQuantizationObserverBase):
    """torch.ao's view of `weight_scales`: symmetric int8 per output channel."""

    def __init__(self, method: str) -> None:
        super().__init__(dtype=torch.qint8, qscheme=torch.per_channel_symmetric, quant_min=-128, quant_max=127)
        self.method, self.ch_axis = method, 0
        self.scales = torch.ones(1)

    def forward(self, x: Tensor) -> Tensor:
        """Take the weight's scales."""
        self.scales = weight_scales(x, self.method)
        return x

    def calculate_qparams(self) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        """Scales (out channels,) and zeros."""
        return self.scales, torch.zeros(len(self.scales), dtype=torch.int64)


def backend_config() -> BackendConfig:
    """torch's x86 table of int8 patterns.

    Not onednn's table: its convolution + addition kernel adds into the other operand in place, which is wrong where
    that tensor is read again, as in every residual block here (PIDNet-S then changes 17 % of CamVid's pixels).

    The fixed (1/256, 0) of sigmoid's output is lifted, since J5's grid has another one; see `lower_sigmoids`.
    """
    config = get_x86_backend_config()
    for pattern, entry in config._pattern_complex_format_to_config.items():
        if pattern in SIGMOIDS:
            entry.dtype_configs = [_unconstrained(dtype) for dtype in entry.dtype_configs]
    return config


def _unconstrained(dtype: DTypeConfig) -> DTypeConfig:
    free = replace(dtype.output_dtype_with_constraints, scale_exact_match=None, zero_point_exact_match=None)
    return DTypeConfig(input_dtype=dtype.input_dtype, output_dtype=free)


def qconfig_mapping(spec: QuantSpec, float_output: list[str]) -> QConfigMapping:
    """Global int8; sigmoids on their fixed grid; the modules named in `float_output` take int8 and give float."""
    weight = WeightObserver.with_args(method=spec.weight_observer)
    act = ActivationQuantiser.with_args(spec=spec)
    mapping = QConfigMapping().set_global(QConfig(activation=act, weight=weight))
    unit = QConfig(activation=ActivationQuantiser.with_args(spec=spec, fixed=spec.unit_qparams), weight=weight)
    for sigmoid in SIGMOIDS:
        mapping.set_object_type(sigmoid, unit)
    tail = QConfig(activation=PlaceholderObserver.with_args(dtype=torch.float32), weight=weight)
    for name in float_output:
        mapping.set_module_name(name, tail)
    return mapping
