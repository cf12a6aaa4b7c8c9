"""FX graph-mode quantisation: prepare (observe), fake-quantise, convert to real int8 kernels."""

from __future__ import annotations

import copy
import operator
from collections.abc import Iterator

import torch
from torch import Tensor, fx, nn

from qat.ao import convert_fx, prepare_fx
from qat.backends.engine import activate
from qat.backends.fx_config import SIGMOIDS, backend_config, qconfig_mapping
from qat.backends.quantiser import ActivationQuantiser, OnGrid
from qat.backends.spec import QuantSpec
from qat.backends.tail import float_output_modules
from qat.ptq.weights import fake_quantise, weight_scales

_WEIGHTED = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
_SCALAR_OPS = (operator.add, operator.mul, torch.add, torch.mul)


def prepare(graph: fx.GraphModule, example: Tensor, spec: QuantSpec) -> fx.GraphModule:
    """Fuse BN, insert an observer after each activation; the result is ready for `calibrate`.

    `graph`: the float graph after `qat.rewrite` (left as it is). `example`: (1, 3, H, W).
    """
    activate(spec.engine)
    mapping = qconfig_mapping(spec, float_output_modules(graph, spec.high_precision))
    prepared = prepare_fx(copy.deepcopy(graph).eval(), mapping, (example,), backend_config=backend_config())
    prepared.spec, prepared.example = spec, example
    for node, quantiser in list(quantisers(prepared)):
        source = node.args[0]
        if _is_scalar_op(source):
            setattr(prepared, str(node.target) + "_on_grid", OnGrid(spec))
            node.target = str(node.target) + "_on_grid"
        elif quantiser.observer.name == "?":
            quantiser.observer.name = source.name
    prepared.recompile()
    return prepared


def _is_scalar_op(node: fx.Node) -> bool:
    return node.target in _SCALAR_OPS and not all(isinstance(arg, fx.Node) for arg in node.args[:2])


def quantisers(prepared: fx.GraphModule) -> Iterator[tuple[fx.Node, ActivationQuantiser]]:
    """Each activation's quantiser with the graph node that calls it, in graph order (shared ones once per call)."""
    for node in prepared.graph.nodes:
        if node.op == "call_module":
            module = prepared.get_submodule(str(node.target))
            if isinstance(module, ActivationQuantiser):
                yield node, module


def fake_quantised(prepared: fx.GraphModule) -> fx.GraphModule:
    """A copy that computes on int8 levels in float: scales taken from the observers, weights rounded per channel."""
    model = copy.deepcopy(prepared)
    for _, quantiser in quantisers(model):
        quantiser.freeze()
        quantiser.observing(False)
    for module in weighted(model):
        _round_weight(module, prepared.spec)
    return model


def weighted(model: nn.Module) -> Iterator[nn.Module]:
    """Every convolution and linear layer."""
    return (module for module in model.modules() if isinstance(module, _WEIGHTED))


def _round_weight(module: nn.Module, spec: QuantSpec) -> None:
    weight = module.weight
    weight.data = fake_quantise(weight, weight_scales(weight, spec.weight_observer))


def convert(prepared: fx.GraphModule) -> fx.GraphModule:
    """The int8 graph with torch's quantised kernels; the modules with float output run on int8-rounded weights."""
    spec = prepared.spec
    activate(spec.engine)
    model = copy.deepcopy(prepared).cpu()
    for _, quantiser in quantisers(model):
        quantiser.freeze()
    converted = convert_fx(model, backend_config=backend_config())
    lower_sigmoids(converted, spec)
    for module in weighted(converted):  # only those left in float: the tail
        _round_weight(module, spec)
    return converted


def lower_sigmoids(converted: fx.GraphModule, spec: QuantSpec) -> None:
    """torch.sigmoid on an int8 tensor always gives scale 1/256, zero point 0: name the calibrated grid instead."""
    scale, zero_point = spec.unit_qparams
    for node in converted.graph.nodes:
        if node.op == "call_function" and node.target in SIGMOIDS:
            node.target = torch.ops.quantized.sigmoid
            node.args, node.kwargs = (node.args[0], scale, zero_point), {}
    converted.recompile()


def to_torchscript(model: nn.Module, example: Tensor) -> torch.jit.ScriptModule:
    """Trace and freeze: the same kernels without Python between them."""
    with torch.no_grad():
        return torch.jit.freeze(torch.jit.trace(model, example, check_trace=False))
