"""The fake-quantise module, its three states, and the module mode that each asserts."""

from __future__ import annotations

from enum import Enum
from typing import Any

import torch
from torch import Tensor, nn

from ..ops import LIMITS
from .observers import MIDDLE, OBSERVERS


class FakeQuantState(Enum):
    QAT = "qat"
    CALIBRATION = "calibration"
    VALIDATION = "validation"


_FLAGS = {  # observe, round, training mode of the model
    FakeQuantState.QAT: (1, 1, True),
    FakeQuantState.CALIBRATION: (1, 0, False),
    FakeQuantState.VALIDATION: (0, 1, False),
}


class FakeQuantize(nn.Module):
    """Scales of one tensor: (1,), or one per channel of axis 0."""

    scale: Tensor
    zero_point: Tensor
    observer_enabled: Tensor
    fake_quant_enabled: Tensor
    observed: Tensor

    def __init__(self, observer: str, channels: int = 1, fixed: float | None = None, **settings: Any) -> None:
        super().__init__()
        self.fails = ""  # why its operation doesn't run
        self.constant = settings.pop("averaging_constant", 0.01)
        self.dtype = settings.pop("dtype", "qint8")
        self.low, self.high = LIMITS[self.dtype]
        self.choose, self.settings, self.fixed = OBSERVERS[observer], settings, fixed
        self.register_buffer("scale", torch.full((channels,), 1.0 if fixed is None else fixed))
        self.register_buffer("zero_point", torch.zeros(channels, dtype=torch.long))
        self.register_buffer("observer_enabled", torch.zeros(1, dtype=torch.uint8))
        self.register_buffer("fake_quant_enabled", torch.zeros(1, dtype=torch.uint8))
        self.register_buffer("observed", torch.tensor(int(fixed is not None)))

    def forward(self, x: Tensor) -> Tensor:
        if self.fails:
            raise RuntimeError(self.fails)
        observing, rounding = bool(self.observer_enabled), bool(self.fake_quant_enabled)
        if not (observing or rounding):
            raise RuntimeError("the network runs before set_fake_quantize")
        if observing and not self.training:
            raise RuntimeError("eval() after set_fake_quantize(CALIBRATION): observation has stopped in silence")
        if observing and self.fixed is None:
            self.observe(x.detach())
        return self.round(x) if rounding else x

    @property
    def is_weight(self) -> bool:
        return False

    def observe(self, x: Tensor) -> None:
        rows = x.flatten(1) if self.is_weight else x.reshape(1, -1)
        new = self.choose(rows, **self.settings) * (MIDDLE / (self.high + 0.5))
        first = self.is_weight or int(self.observed) == 0
        self.scale = new if first else self.scale * (1 - self.constant) + new * self.constant
        self.observed += 1

    def round(self, x: Tensor) -> Tensor:
        zeros = self.zero_point.to(torch.int32)
        if self.is_weight:
            return torch.fake_quantize_per_channel_affine(x, self.scale, zeros, 0, self.low, self.high)
        return torch.fake_quantize_per_tensor_affine(x, self.scale, zeros, self.low, self.high)


class WeightFakeQuantize(FakeQuantize):
    """Per output channel; sees the same weight each time."""

    @property
    def is_weight(self) -> bool:
        return True


def set_fake_quantize(model: nn.Module, mode: FakeQuantState) -> None:
    if not isinstance(mode, FakeQuantState):
        raise TypeError(f"mode is {mode!r}, expected a FakeQuantState")
    quantisers = [module for module in model.modules() if isinstance(module, FakeQuantize)]
    if not quantisers:
        raise RuntimeError("set_fake_quantize before prepare_qat_fx: the model has no fake-quantise modules")
    observe, rounding, training = _FLAGS[mode]
    for module in model.modules():
        if not isinstance(module, FakeQuantize):
            assert module.training == training, f"Call model.{'train' if training else 'eval'}() before {mode}"
    for quantiser in quantisers:
        quantiser.observer_enabled.fill_(observe)
        quantiser.fake_quant_enabled.fill_(rounding)
        quantiser.train(bool(observe))
