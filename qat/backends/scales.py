"""Where a prepared graph keeps its scales: in each activation's quantiser and beside each weight, open or settled."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import torch
from torch import Tensor, fx, nn

from qat.ao import FusedModule
from qat.backends.fx_config import StoredScales
from qat.backends.quantiser import ActivationQuantiser
from qat.backends.spec import QuantSpec
from qat.ptq.weights import fake_quantise, weight_scales

WEIGHTED = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
_WHOLE = nn.ConvTranspose2d  # one scale for the whole weight: torch has no kernel for one per channel


def spec_of(prepared: fx.GraphModule) -> QuantSpec:
    """The scheme that a graph was prepared with."""
    return cast(QuantSpec, prepared.meta["spec"])


def quantisers(prepared: fx.GraphModule) -> Iterator[tuple[fx.Node, ActivationQuantiser]]:
    """Each activation's quantiser with the graph node that calls it, in graph order (shared ones once per call)."""
    for node in prepared.graph.nodes:
        if node.op == "call_module":
            module = prepared.get_submodule(str(node.target))
            if isinstance(module, ActivationQuantiser):
                yield node, module


def weighted(model: nn.Module) -> Iterator[nn.Module]:
    """Every convolution and linear layer."""
    return (module for module in model.modules() if isinstance(module, WEIGHTED))


def round_weight(module: nn.Module) -> None:
    """Put a layer's weight on the levels of its settled scales."""
    weight = cast(Tensor, module.weight)
    weight.data = fake_quantise(weight, cast(Tensor, module.weight_scale))


def add_weight_scales(prepared: fx.GraphModule) -> None:
    """Give each weight a buffer for its scales, open yet (zeros)."""
    for module in weighted(prepared):
        scales = 1 if isinstance(module, _WHOLE) else len(cast(Tensor, module.weight))
        module.register_buffer("weight_scale", torch.zeros(scales))


def settle(prepared: fx.GraphModule) -> None:
    """Fix every scale that isn't yet: activations' from what was observed, weights' by the scheme's weight observer.

    From here on scales, weights and biases are only read, so what changes them now (rounding, bias correction,
    training) reaches every later stage.
    """
    for _, quantiser in quantisers(prepared):
        quantiser.freeze()
    for module in weighted(prepared):
        if not cast(Tensor, module.weight_scale).any():
            _scale_weight(module, spec_of(prepared).weight_observer)


def _scale_weight(module: nn.Module, method: str) -> None:
    weight = cast(Tensor, module.weight)
    rows = weight.view(1, -1) if isinstance(module, _WHOLE) else weight
    cast(Tensor, module.weight_scale).copy_(weight_scales(rows, method))


def unsettle(prepared: fx.GraphModule) -> None:
    """Forget the scales, not the statistics."""
    for _, quantiser in quantisers(prepared):
        quantiser.settled.fill_(False)
    for module in weighted(prepared):
        cast(Tensor, module.weight_scale).zero_()


def tell_scales(model: fx.GraphModule) -> None:
    """Give each layer a qconfig with its own weight scales, where torch.ao looks for them."""
    for module in list(model.modules()):
        core = module[0] if isinstance(module, FusedModule) else module
        qconfig: Any = getattr(module, "qconfig", None)
        if isinstance(core, WEIGHTED) and qconfig:
            module.qconfig = qconfig._replace(weight=StoredScales.with_args(scales=core.weight_scale))
