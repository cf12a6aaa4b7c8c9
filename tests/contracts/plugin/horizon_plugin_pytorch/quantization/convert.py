"""The integer network: rounded weights, and one rounding operation behind each operation of the device."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, fx, nn

from ..ops import WIDE
from .fake_quantize import FakeQuantize, WeightFakeQuantize
from .prepare import QAT
from .state import mark, state_of
from .stubs import QuantStub


class Requantise(nn.Module):
    scale: Tensor

    def __init__(self, scale: Tensor, operation: str) -> None:
        super().__init__()
        self.register_buffer("scale", scale.detach().clone())
        self.operation = operation

    def forward(self, x: Tensor) -> Tensor:
        return getattr(torch.ops.horizon, self.operation)(x, self.scale)


def convert_fx(
    graph_module: fx.GraphModule,
    inplace: bool = False,
    convert_custom_config_dict: dict[str, Any] | None = None,
    _remove_qconfig: bool = True,
    fast_mode: bool = False,
) -> fx.GraphModule:
    state = state_of(graph_module)
    if not state.get("prepared"):
        raise RuntimeError("convert_fx before prepare_qat_fx: the model isn't prepared")
    graph = graph_module if inplace else copy.deepcopy(graph_module)
    operation = "requantise_hybrid" if state["hybrid"] else "requantise_fast" if fast_mode else "requantise"
    modules = dict(graph.named_modules())
    for name, module in modules.items():
        if type(module) is FakeQuantize:
            _check_observed(name, module)
            graph.add_submodule(name, Requantise(module.scale, WIDE if module.dtype == "qint16" else operation))
    for module in modules.values():
        if type(module) in QAT.values():
            _round_weight(module)
    _merge_stubs(graph, modules)
    mark(graph, converted=True)
    return graph


def _check_observed(name: str, module: FakeQuantize) -> None:
    if int(module.observed) == 0:
        raise RuntimeError(f"{name} has observed nothing: run CALIBRATION (or QAT) before convert_fx")


def _round_weight(module: nn.Module) -> None:
    quantiser: WeightFakeQuantize = module.weight_fake_quant
    module.weight.data = quantiser.round(module.weight.detach())
    del module.weight_fake_quant
    module.__class__ = next(plain for plain, trained in QAT.items() if trained is type(module))


def _merge_stubs(graph: fx.GraphModule, modules: dict[str, nn.Module]) -> None:
    """A QuantStub holds its scale itself from now on."""
    for node in list(graph.graph.nodes):
        if node.op == "call_module" and isinstance(modules[node.target], QuantStub):
            (rounding,) = node.users
            graph.add_submodule(node.target, graph.get_submodule(rounding.target))
            rounding.replace_all_uses_with(node)
            graph.graph.erase_node(rounding)
    graph.recompile()
