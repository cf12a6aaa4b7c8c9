"""The settings for torch.ao: patterns to fuse, and a qconfig for each part of the graph."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

import torch
from torch import Tensor, fx, nn

from qat.ao import (
    BackendConfig,
    DTypeConfig,
    PlaceholderObserver,
    QConfig,
    QConfigMapping,
    UniformQuantizationObserverBase,
    core_of,
    get_x86_backend_config,
)
from qat.backends.quantiser import ActivationQuantiser
from qat.backends.spec import QuantSpec
from qat.backends.weight_scales import in_float
from qat.graph.ops import INT8_LAYERS
from qat.observers.weights import HIGH, LOW

SIGMOIDS = (torch.sigmoid, torch.nn.functional.sigmoid, nn.Sigmoid, "sigmoid")
KERNEL_GRIDS: dict[Any, tuple[float, int]] = {  # output scale and zero point that torch's int8 kernels have built in
    nn.Hardsigmoid: (1 / 256, 0),
    torch.nn.functional.hardsigmoid: (1 / 256, 0),
    nn.Softmax: (1 / 256, 0),
    nn.Tanh: (2 / 256, 128),
    torch.tanh: (2 / 256, 128),
    "tanh": (2 / 256, 128),
}


class StoredScales(UniformQuantizationObserverBase):
    """torch.ao's view of a layer's settled weight scales: symmetric int8, per output channel or one in all."""

    def __init__(self, scales: Tensor | None = None) -> None:
        whole = scales is not None and len(scales) == 1
        scheme = torch.per_tensor_symmetric if whole else torch.per_channel_symmetric
        super().__init__(dtype=torch.qint8, qscheme=scheme, quant_min=LOW, quant_max=HIGH)
        self.ch_axis = 0
        self.scales = torch.ones(1) if scales is None else scales

    def forward(self, x: Tensor) -> Tensor:
        """Nothing to learn from the weight."""
        return x

    def calculate_qparams(self) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        """Scales (out channels,) or (1,), and zeros."""
        return self.scales, torch.zeros(len(self.scales), dtype=torch.int64)


class Slopes(UniformQuantizationObserverBase):
    """A PReLU's slopes as torch's kernel takes them: uint8, on a grid that has 0 and 1.

    The kernel multiplies values above 0 by 1 on the slopes' grid; on a grid that ends below 1 they would shrink.
    """

    def __init__(self) -> None:
        super().__init__(dtype=torch.quint8, qscheme=torch.per_tensor_affine, quant_min=0, quant_max=255)
        self.low, self.high = 0.0, 1.0

    def forward(self, x: Tensor) -> Tensor:
        """Take the slopes' range."""
        self.low, self.high = min(0.0, float(x.min())), max(1.0, float(x.max()))
        return x

    def calculate_qparams(self) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        """Scale (1,), of which 1 is a multiple, and zero point (1,)."""
        levels = max(1, math.floor(254 / (self.high - self.low)))
        return torch.tensor([1 / levels]), torch.tensor([math.ceil(-self.low * levels)])


def backend_config() -> BackendConfig:
    """torch's x86 table of int8 patterns.

    Not onednn's table: its convolution + addition kernel adds into the other operand in place, which is wrong where
    that tensor is read again, as in every residual block here (PIDNet-S then changes 17 % of CamVid's pixels).

    torch.ao takes operations with a fixed output grid only with its own observers; that is lifted, since ours know
    those grids (`KERNEL_GRIDS`), and sigmoid's gives way to the scheme's (`lower_sigmoids`).
    """
    config = get_x86_backend_config()
    for entry in config.configs:
        if entry.pattern in SIGMOIDS or entry.pattern in KERNEL_GRIDS:
            entry.dtype_configs = [_unconstrained(dtype) for dtype in entry.dtype_configs]
    return config


def _unconstrained(dtype: DTypeConfig) -> DTypeConfig:
    return DTypeConfig(input_dtype=dtype.input_dtype, output_dtype=dtype.output_dtype)


def qconfig_mapping(spec: QuantSpec, float_output: list[str]) -> QConfigMapping:
    """Global int8; sigmoids on their fixed grid; the modules named in `float_output` take int8 and give float."""
    weight = StoredScales
    act = ActivationQuantiser.with_args(spec=spec)  # type: ignore[no-untyped-call]
    mapping = QConfigMapping().set_global(QConfig(activation=act, weight=weight))
    for operation, grid in {**KERNEL_GRIDS, **dict.fromkeys(SIGMOIDS, spec.unit_qparams)}.items():
        fixed = ActivationQuantiser.with_args(spec=spec, fixed=grid)  # type: ignore[no-untyped-call]
        mapping.set_object_type(operation, QConfig(activation=fixed, weight=weight))
    tail = QConfig(activation=PlaceholderObserver.with_args(dtype=torch.float32), weight=weight)
    whole = StoredScales.with_args(scales=torch.ones(1))
    mapping.set_object_type(nn.ConvTranspose2d, QConfig(activation=act, weight=whole))  # torch has no per-channel one
    mapping.set_object_type(nn.PReLU, QConfig(activation=act, weight=Slopes))
    for name in float_output:
        mapping.set_module_name(name, tail)
    return mapping


def leave_in_float(mapping: QConfigMapping, graph: fx.GraphModule, nodes: Collection[fx.Node]) -> None:
    """Let these calls of `graph` run in float: torch.ao tells a function's calls apart by their order."""
    for node in nodes:
        if node.op == "call_module":
            mapping.set_module_name(str(node.target), None)
        else:
            calls = [each for each in graph.graph.nodes if each.target == node.target]
            mapping.set_module_name_object_type_order("", node.target, calls.index(node), None)  # type: ignore[arg-type]


def set_qconfig_scales(model: fx.GraphModule) -> None:
    """Give each layer a qconfig with its own weight scales, where torch.ao looks for them; none to one in float."""
    for module in list(model.modules()):
        core = core_of(module)
        qconfig: Any = getattr(module, "qconfig", None)
        if isinstance(core, INT8_LAYERS) and qconfig:
            stored = StoredScales.with_args(scales=core.weight_scale)
            config: Any = None if in_float(core) else qconfig._replace(weight=stored)
            module.qconfig = config
