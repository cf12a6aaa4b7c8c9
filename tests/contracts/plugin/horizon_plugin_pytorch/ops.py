"""The integer network's operations: TorchScript that holds them loads only where this package was imported.

Values stay real numbers on the int8 grid. One name for each way of converting, so that a traced network shows it.
"""

from __future__ import annotations

import torch
from torch import Tensor

LOW, HIGH = -128, 127
LIMITS = {"qint8": (LOW, HIGH), "qint16": (-32768, 32767)}
_library = torch.library.Library("horizon", "DEF")
NAMES = ("requantise", "requantise_fast", "requantise_hybrid")
WIDE = "requantise_int16"


def round_to(x: Tensor, scale: Tensor) -> Tensor:
    """clip(round(x / s), -128, 127) * s."""
    return torch.fake_quantize_per_tensor_affine(x, scale, torch.zeros(1, dtype=torch.int32), LOW, HIGH)


def round_wide(x: Tensor, scale: Tensor) -> Tensor:
    """The same in 16 bits."""
    return torch.fake_quantize_per_tensor_affine(x, scale, torch.zeros(1, dtype=torch.int32), *LIMITS["qint16"])


for _name in NAMES:
    _library.define(f"{_name}(Tensor x, Tensor scale) -> Tensor")
    _library.impl(_name, round_to, "CompositeExplicitAutograd")
_library.define(f"{WIDE}(Tensor x, Tensor scale) -> Tensor")
_library.impl(WIDE, round_wide, "CompositeExplicitAutograd")
