"""The calls that lead a small network through the plugin's stand-in."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.ao.quantization import DeQuantStub

SHAPE = (1, 3, 16, 32)


class Net(nn.Module):
    """A convolution, `middle`, a tail, between stubs."""

    def __init__(self, stub: nn.Module, middle: Callable[[Tensor], Tensor] | None = None) -> None:
        super().__init__()
        self.quant, self.dequant = stub, DeQuantStub()
        self.first, self.norm, self.tail = nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Conv2d(4, 2, 1)
        self.middle = middle or torch.relu

    def forward(self, x: Tensor) -> Tensor:
        return self.dequant(self.tail(self.middle(self.norm(self.first(self.quant(x))))))


def network(plugin: ModuleType, middle: Callable[[Tensor], Tensor] | None = None) -> nn.Module:
    return Net(plugin.quantization.QuantStub(), middle).eval()


def settings(plugin: ModuleType, **names: Any) -> dict[str, Any]:
    qconfig = plugin.quantization.qconfig
    tail = {"tail": qconfig.default_calib_8bit_weight_32bit_out_fake_quant_qconfig}
    return {"": qconfig.get_default_qconfig(), "module_name": tail | names}


def prepared(plugin: ModuleType, middle: Callable[[Tensor], Tensor] | None = None, **keywords: Any) -> nn.Module:
    return plugin.quantization.prepare_qat_fx(network(plugin, middle), settings(plugin), **keywords)


def set_state(plugin: ModuleType, model: nn.Module, state: str) -> None:
    plugin.quantization.set_fake_quantize(model, plugin.quantization.FakeQuantState[state])


def calibrated(plugin: ModuleType, **keywords: Any) -> nn.Module:
    model = prepared(plugin, **keywords).eval()
    set_state(plugin, model, "CALIBRATION")
    model(torch.randn(SHAPE))
    model.eval()
    set_state(plugin, model, "VALIDATION")
    return model


def traced(plugin: ModuleType, hybrid: bool = False, **keywords: Any) -> torch.jit.ScriptModule:
    converted = plugin.quantization.convert_fx(calibrated(plugin, hybrid=hybrid), **keywords)
    return torch.jit.trace(converted, torch.randn(SHAPE))
