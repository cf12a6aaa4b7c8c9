"""Trace and fold BN into the convolution before it; the result shares modules with what was given."""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import fx, nn
from torch.ao.nn.quantized import FloatFunctional
from torch.ao.quantization import DeQuantStub
from torch.ao.quantization import QuantStub as TorchQuantStub
from torch.nn.utils.fusion import fuse_conv_bn_eval

from .state import mark
from .stubs import QuantStub

_SUBTRACTIONS = (operator.sub, torch.sub, "sub")
_UNBINDS = (torch.unbind, "unbind")
_OPERATIONS = (
    nn.Conv2d,
    nn.ConvTranspose2d,
    nn.Linear,
    nn.BatchNorm2d,
    nn.ReLU,
    nn.AvgPool2d,
    nn.MaxPool2d,
    nn.Upsample,
)


OWNER = "owner"  # in a node's meta: the module whose forward calls it


class _Tracer(fx.Tracer):
    def __init__(self) -> None:
        super().__init__()
        self.owners = [""]

    def call_module(self, m: nn.Module, forward: Any, args: Any, kwargs: Any) -> Any:
        self.owners.append(self.path_of_module(m))
        try:
            return super().call_module(m, forward, args, kwargs)
        finally:
            self.owners.pop()

    def create_node(self, *args: Any, **kwargs: Any) -> fx.Node:
        node = super().create_node(*args, **kwargs)
        node.meta[OWNER] = self.owners[-1]
        return node

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        is_stub = isinstance(m, (QuantStub, TorchQuantStub, DeQuantStub))
        return is_stub or super().is_leaf_module(m, module_qualified_name)


def fuse_fx(model: nn.Module) -> fx.GraphModule:
    claim(model)
    check_classes(model)
    graph = _Tracer().trace(model)
    _check_functionals(graph, model)
    fused = fx.GraphModule(model, graph, getattr(model, "_get_name", lambda: "Model")())
    modules = dict(fused.named_modules())
    for node in list(graph.nodes):
        if _is_foldable(node, modules):
            conv = str(node.args[0].target)
            fused.add_submodule(conv, fuse_conv_bn_eval(modules[conv], modules[node.target]))
            node.replace_all_uses_with(node.args[0])
            graph.erase_node(node)
    fused.delete_all_unused_submodules()
    fused.recompile()
    mark(fused, fused=True)
    return fused


def claim(model: nn.Module) -> None:
    """The documentation: the result shares attributes with its input. A second use of the same model would be wrong."""
    if getattr(model, "_claimed", False):
        raise RuntimeError(
            "this model was given to fuse_fx or prepare_qat_fx before: they share attributes, deepcopy first"
        )
    model._claimed = True


def check_classes(model: nn.Module) -> None:
    """The documentation: a class that inherits from a torch operation isn't replaced; hold it as a submodule."""
    for name, module in model.named_modules():
        is_own = type(module).__module__.startswith(("torch.", "horizon_plugin"))
        if isinstance(module, _OPERATIONS) and not is_own:
            raise TypeError(
                f"{name} is a {type(module).__name__}, which inherits from a torch operation: use a submodule"
            )


def _is_foldable(node: fx.Node, modules: dict[str, nn.Module]) -> bool:
    if node.op != "call_module" or not isinstance(modules[node.target], nn.BatchNorm2d):
        return False
    source = node.args[0]
    return source.op == "call_module" and type(modules[source.target]) is nn.Conv2d and len(source.users) == 1


def check_graph(graph: fx.GraphModule) -> None:
    """What the plugin's FX pass doesn't replace, or can't know."""
    modules = dict(graph.named_modules())
    for node in graph.graph.nodes:
        if node.target in _UNBINDS:
            raise RuntimeError(f"{node.name}: a tensor is unbound, or iterated; index it")
        if node.op == "call_module" and isinstance(modules[node.target], TorchQuantStub):
            raise TypeError(f"{node.target} is torch's QuantStub: use horizon_plugin_pytorch.quantization.QuantStub")
        if node.op == "placeholder" and not all(_is_stub(user, modules) for user in node.users):
            raise RuntimeError(f"the input {node.target} is read without a QuantStub")
        if node.target in ("rsub", torch.rsub) or (node.target in _SUBTRACTIONS and _constant(node.args[0])):
            raise RuntimeError(f"{node.name}: a constant minus a tensor isn't replaced; write (x + (-c)) * (-1)")


def _check_functionals(graph: fx.Graph, model: nn.Module) -> None:
    """A FloatFunctional's two calls would share one scale."""
    modules = dict(model.named_modules())
    calls = [str(node.target) for node in graph.nodes if node.op == "call_module"]
    for name in set(calls):
        owner = modules.get(name.rpartition(".")[0])
        if calls.count(name) > 1 and isinstance(owner, FloatFunctional):
            raise RuntimeError(f"{name.rpartition('.')[0]}: a FloatFunctional is called twice; use one for each call")


def _is_stub(node: fx.Node, modules: dict[str, nn.Module]) -> bool:
    return node.op == "call_module" and isinstance(modules[node.target], (QuantStub, TorchQuantStub))


def _constant(value: Any) -> bool:
    return not isinstance(value, fx.Node) or value.op == "get_attr"
