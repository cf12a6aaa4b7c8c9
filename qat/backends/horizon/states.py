"""The plugin's three states, each with the module mode that it asserts; the mode is always set first.

CALIBRATION puts the fake-quantise modules alone into training mode. A `model.eval()` after it would silently stop their
observation, so nothing but these functions changes a prepared network's mode.
"""

from __future__ import annotations

from torch import nn

from qat.backends.horizon.plugin import part


def to_calibration(model: nn.Module) -> None:
    """Observers run, nothing is rounded."""
    model.eval()
    _set(model, "CALIBRATION")


def to_validation(model: nn.Module) -> None:
    """Everything is rounded, scales are frozen. Needed after load_state_dict, since the flags are in it."""
    model.eval()
    _set(model, "VALIDATION")


def to_qat(model: nn.Module) -> None:
    """Everything is rounded and scales follow: fine-tuning."""
    model.train()
    _set(model, "QAT")


def _set(model: nn.Module, state: str) -> None:
    quantization = part("quantization")
    quantization.set_fake_quantize(model, getattr(quantization.FakeQuantState, state))
