"""Put fake-quantise modules behind what the device computes as one operation."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.ao.quantization import DeQuantStub

from ..march import get_march
from .fake_quantize import FakeQuantize
from .fuse import OWNER, check_graph, claim, fuse_fx
from .qconfig import QConfig
from .state import mark, state_of
from .stubs import QuantStub

_KEYS = {"", "module_type", "module_name"}
_ADDITIONS = (operator.add, torch.add)  # x += y and Tensor.add aren't listed, so they don't fuse
_RESIZES = (nn.functional.interpolate, nn.Upsample, nn.UpsamplingBilinear2d, nn.UpsamplingNearest2d)
_INT8_ALONE = (
    *(*_RESIZES, nn.functional.avg_pool2d, nn.functional.max_pool2d, nn.functional.adaptive_avg_pool2d),
    *(nn.AvgPool2d, nn.MaxPool2d, nn.AdaptiveAvgPool2d, nn.BatchNorm2d, nn.ConvTranspose2d, nn.Linear),
)
_RELUS = (nn.ReLU, nn.ReLU6, torch.relu, nn.functional.relu, "relu")
_FAIL = (torch.unsqueeze, "unsqueeze")  # in calibration, by the PIDNet-on-J5 walkthrough
_NOT_TENSORS = (getattr, operator.getitem, "size", "dim")


class QATConv2d(nn.Conv2d):
    def forward(self, x: Tensor) -> Tensor:
        return self._conv_forward(x, self.weight_fake_quant(self.weight), self.bias)


class QATConvTranspose2d(nn.ConvTranspose2d):
    def forward(self, x: Tensor) -> Tensor:
        weight, settings = self.weight_fake_quant(self.weight), (self.stride, self.padding, self.output_padding)
        return nn.functional.conv_transpose2d(x, weight, self.bias, *settings, self.groups, self.dilation)


class QATLinear(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.linear(x, self.weight_fake_quant(self.weight), self.bias)


QAT = {nn.Conv2d: QATConv2d, nn.ConvTranspose2d: QATConvTranspose2d, nn.Linear: QATLinear}


def prepare_qat_fx(
    model: nn.Module,
    qconfig_dict: Mapping[str, Any] | None = None,
    prepare_custom_config_dict: Mapping[str, Any] | None = None,
    optimize_graph: bool = False,
    hybrid: bool = False,
    hybrid_dict: Mapping[str, Any] | None = None,
) -> fx.GraphModule:
    get_march()
    if unknown := set(qconfig_dict or {}) - _KEYS:
        raise KeyError(f"unknown keys {sorted(unknown)} in qconfig_dict, expected some of {sorted(_KEYS)}")
    if state_of(model):
        claim(model)
        graph = model
    else:
        graph = fuse_fx(model)
    check_graph(graph)
    _Preparation(graph, _QConfigs(qconfig_dict or {})).run()
    mark(graph, prepared=True, hybrid=hybrid)
    return graph


class _QConfigs:
    """Priority, rising: global, module_type, module_name, module.qconfig."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self.everywhere: QConfig | None = given.get("")
        self.types = dict(_pairs(given.get("module_type", ())))
        self.names = dict(_pairs(given.get("module_name", ())))

    def of(self, name: str, module: nn.Module | None) -> QConfig | None:
        """`name`: of the module, or of the one whose forward calls a function."""
        found = self.types.get(type(module), self.everywhere)
        for path in _above(name):  # a module's qconfig is its submodules' too
            found = self.names.get(path, found)
        return found if module is None else getattr(module, "qconfig", found)


def _above(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[: count + 1]) for count in range(len(parts))]


def _pairs(given: Any) -> Iterable[tuple[Any, Any]]:
    return given.items() if isinstance(given, Mapping) else given


class _Preparation:
    def __init__(self, graph: fx.GraphModule, qconfigs: _QConfigs) -> None:
        self.graph, self.qconfigs = graph, qconfigs
        self.modules = dict(graph.named_modules())

    def run(self) -> None:
        owners = {node.meta.get(OWNER, "") for node in self.graph.graph.nodes}
        if unknown := set(self.qconfigs.names) - set(self.modules) - owners:
            raise KeyError(f"qconfig_dict names {sorted(unknown)}, which the model hasn't")
        for node in list(self.graph.graph.nodes):
            module = self.modules.get(str(node.target)) if node.op == "call_module" else None
            name = str(node.target) if node.op == "call_module" else node.meta.get(OWNER, "")
            qconfig = self.qconfigs.of(name, module)
            if qconfig is not None and self.computes(node, module):
                self.quantise(node, module, qconfig)
        self.graph.recompile()

    def computes(self, node: fx.Node, module: nn.Module | None) -> bool:
        if node.op == "call_module":
            return not isinstance(module, (DeQuantStub, nn.Identity, nn.Dropout))
        return node.op in ("call_function", "call_method") and node.target not in _NOT_TENSORS

    def quantise(self, node: fx.Node, module: nn.Module | None, qconfig: QConfig) -> None:
        weighted = type(module) in QAT
        self.check_int16(node)
        if weighted:
            channels = module.weight.shape[0]
            module.__class__ = QAT[type(module)]  # the user's own module: this is what sharing means
            module.weight_fake_quant = qconfig.weight(channels=channels).train(module.training)
        if qconfig.activation is None:
            self.check_int32(node, weighted)
        elif self.kind(node) in _RESIZES:
            self.keep_scale(node)
        elif not self.absorbed(node, weighted):
            fixed = {"fixed": module.scale} if isinstance(module, QuantStub) else {}
            quantiser = qconfig.activation(**fixed)
            quantiser.fails = f"{node.name} isn't an operation of the device" if node.target in _FAIL else ""
            self.insert(node, quantiser)

    def kind(self, node: fx.Node) -> Any:
        return type(self.modules[node.target]) if node.op == "call_module" else node.target

    def keep_scale(self, node: fx.Node) -> None:
        """Interpolation's output has its input's scale."""
        source = node.args[0]
        self.put(node, str(source.target))

    def check_int32(self, node: fx.Node, weighted: bool) -> None:
        consumers = [user for user in node.users if not self.is_end(user)]
        if not weighted or consumers:
            read = f"{consumers[0].name} reads it" if consumers else "it is neither"
            raise RuntimeError(
                f"int32 output of {node.name}: only a Conv or Linear at the tail can give it, and {read}"
            )

    def check_int16(self, node: fx.Node) -> None:
        """note.md, the Bayes columns: these read int8 alone."""
        sources = [self.modules.get(str(source.target)) for source in node.all_input_nodes]
        wide = [each for each in sources if isinstance(each, FakeQuantize) and each.dtype == "qint16"]
        if wide and self.kind(node) in _INT8_ALONE:
            raise RuntimeError(f"{node.name} reads int16, and the device has it for int8 alone")

    def is_end(self, node: fx.Node) -> bool:
        is_stub = node.op == "call_module" and isinstance(self.modules[node.target], DeQuantStub)
        return node.op == "output" or is_stub

    def absorbed(self, node: fx.Node, weighted: bool) -> bool:
        """Whether the device computes `node` together with its one reader: conv or add before ReLU, conv before add."""
        if len(node.users) != 1:
            return False
        (user,) = node.users
        kind = self.kind(user)
        before_relu = kind in _RELUS and (weighted or node.target in _ADDITIONS)
        return before_relu or (weighted and kind in _ADDITIONS and len(user.all_input_nodes) == 2)

    def insert(self, node: fx.Node, quantiser: nn.Module) -> None:
        owner = str(node.target) if node.op == "call_module" else f"_generated_{node.name}"
        name = f"{owner}.activation_post_process"
        if name in self.modules:  # a shared module: one scale for all its calls
            quantiser = self.modules[name]
        self.graph.add_submodule(name, quantiser)
        self.modules[name] = quantiser
        self.put(node, name)

    def put(self, node: fx.Node, name: str) -> None:
        readers = list(node.users)
        with self.graph.graph.inserting_after(node):
            new = self.graph.graph.call_module(name, (node,))
        for reader in readers:
            reader.replace_input_with(node, new)
