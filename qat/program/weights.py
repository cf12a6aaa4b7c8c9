"""A layer's constants as they are stored: int8 with scales, or float."""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from qat.ao import core_of
from qat.backends.scales import in_float
from qat.graph.batch_norm import affine_of
from qat.graph.ops import INT8_LAYERS
from qat.observers.weights import HIGH, LOW
from qat.program.steps import Weight


def weight_of(module: nn.Module, quantised: bool) -> Weight:
    """`module`'s constants; `quantised`: as int8 on the module's settled `weight_scale`, else float.

    BatchNorm2d gives its gain and shift per channel. Layers other than convolutions and linear ones stay float.
    """
    core = core_of(module)
    if isinstance(core, nn.BatchNorm2d):
        gain, shift = affine_of(core, core.running_var.dtype)  # type: ignore[union-attr]
        return Weight(_numpy(gain), None, _numpy(shift))
    values, bias = cast(Tensor, core.weight).detach(), cast("Tensor | None", getattr(core, "bias", None))
    constant = None if bias is None else _numpy(bias)
    if not quantised or not isinstance(core, INT8_LAYERS) or in_float(core):
        return Weight(_numpy(values), None, constant)
    scales = cast(Tensor, core.weight_scale)
    return Weight(_integers(values, scales), _numpy(scales), constant)


def _integers(values: Tensor, scales: Tensor) -> np.ndarray:
    """As `fake_quantise` rounds, which multiplies by the inverse."""
    inverse = (1.0 / scales).view(-1, *[1] * (values.dim() - 1))
    return _numpy(torch.clamp(torch.round(values * inverse), LOW, HIGH).to(torch.int8))


def _numpy(tensor: Tensor) -> np.ndarray:
    return np.array(tensor.detach().cpu().contiguous().numpy())
