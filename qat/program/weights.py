"""A layer's constants as they are stored: int8 with scales, or float."""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from qat.ao import FusedModule
from qat.backends.scales import in_float
from qat.observers.weights import HIGH, LOW
from qat.program.steps import Weight

WEIGHTED = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear, nn.BatchNorm2d, nn.PReLU)


def weight_of(module: nn.Module, quantised: bool) -> Weight:
    """`module`'s constants; `quantised`: as int8 on the module's settled `weight_scale`, else float.

    BatchNorm2d gives its gain and shift per channel. Layers other than convolutions and linear ones stay float.
    """
    core = cast(nn.Module, module[0]) if isinstance(module, FusedModule) else module
    if isinstance(core, nn.BatchNorm2d):
        return _gains(core)
    values, bias = cast(Tensor, core.weight).detach(), cast("Tensor | None", getattr(core, "bias", None))
    constant = None if bias is None else _numpy(bias)
    if not quantised or not isinstance(core, nn.Conv2d | nn.ConvTranspose2d | nn.Linear) or in_float(core):
        return Weight(_numpy(values), None, constant)
    scales = cast(Tensor, core.weight_scale)
    return Weight(_integers(values, scales), _numpy(scales), constant)


def _integers(values: Tensor, scales: Tensor) -> np.ndarray:
    """As `fake_quantise` rounds, which multiplies by the inverse."""
    inverse = (1.0 / scales).view(-1, *[1] * (values.dim() - 1))
    return _numpy(torch.clamp(torch.round(values * inverse), LOW, HIGH).to(torch.int8))


def _gains(norm: nn.BatchNorm2d) -> Weight:
    assert norm.running_mean is not None
    assert norm.running_var is not None  # a network in eval mode has statistics
    gain = torch.rsqrt(norm.running_var + norm.eps) * (norm.weight if norm.affine else 1.0)
    shift = (norm.bias if norm.affine else 0.0) - norm.running_mean * gain
    return Weight(_numpy(gain), None, _numpy(shift))


def _numpy(tensor: Tensor) -> np.ndarray:
    return tensor.detach().cpu().contiguous().numpy().copy()
