"""The only file that imports torch.ao.quantization, which is deprecated upstream: one place to change when it moves."""

from __future__ import annotations

import warnings

from torch import nn

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from torch.ao.nn.intrinsic.modules.fused import _FusedModule as FusedModule
    from torch.ao.quantization import (
        DeQuantStub,
        FakeQuantizeBase,
        PlaceholderObserver,
        QConfig,
        QConfigMapping,
        QuantStub,
    )
    from torch.ao.quantization.backend_config import (
        BackendConfig,
        DTypeConfig,
    )
    from torch.ao.quantization.backend_config.x86 import get_x86_backend_config
    from torch.ao.quantization.observer import UniformQuantizationObserverBase
    from torch.ao.quantization.quantize_fx import convert_fx, prepare_fx

__all__ = [
    "BackendConfig",
    "DTypeConfig",
    "DeQuantStub",
    "FakeQuantizeBase",
    "FusedModule",
    "PlaceholderObserver",
    "QConfig",
    "QConfigMapping",
    "QuantStub",
    "UniformQuantizationObserverBase",
    "convert_fx",
    "core_of",
    "get_x86_backend_config",
    "prepare_fx",
]


def core_of(module: nn.Module) -> nn.Module:
    """The layer itself: the first part of what is fused with its ReLU, else `module`."""
    return module[0] if isinstance(module, FusedModule) else module
