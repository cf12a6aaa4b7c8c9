"""A calibrated graph whose rounding can be switched on and off, layer by layer, weights and activations apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

from torch import Tensor, fx, nn

from qat.backends.fx import fake_quantized, frozen
from qat.backends.integer_resampling import rounded
from qat.backends.quantiser import ActivationQuantiser
from qat.backends.scales import quantisers
from qat.errors import UserError, nearest
from qat.graph.nodes import module_of, op_of
from qat.graph.ops import INT8_LAYERS

Constants = tuple[Tensor, Tensor | None]  # weight and bias


@dataclass
class Switch:
    """Whether a layer's output is rounded."""

    on: bool = True


class Rounding(nn.Module):
    """One call of a quantiser: rounds to its grid, or passes on."""

    def __init__(self, quantiser: ActivationQuantiser, switch: Switch) -> None:
        super().__init__()
        self.quantiser, self.switch = quantiser, switch

    def forward(self, x: Tensor) -> Tensor:
        """`x` on the grid where the switch is on."""
        return cast(Tensor, self.quantiser(x)) if self.switch.on else x


class ToIntegers(Rounding):
    """Before resampling, see `qat.backends.integer_resampling`: the tensor as integers around the zero point."""

    def forward(self, x: Tensor) -> Tensor:
        """`x` in whole steps where the switch is on."""
        return rounded(x / self.quantiser.scale) if self.switch.on else x


class FromIntegers(Rounding):
    """After resampling: integers again, as real numbers."""

    def forward(self, x: Tensor) -> Tensor:
        """`x` rounded to whole steps, times the step, where the switch is on."""
        return rounded(x) * self.quantiser.scale if self.switch.on else x


@dataclass(frozen=True)
class WeightSwitch:
    """A layer's constants: float's own, and those of stage calib (rounded, bias perhaps corrected)."""

    module: nn.Module
    floating: Constants
    calibrated: Constants

    def set(self, on: bool) -> None:
        """Put the calibrated (on) or the float constants into the module."""
        weight, bias = self.calibrated if on else self.floating
        cast(Tensor, self.module.weight).data = weight
        if bias is not None:
            cast(Tensor, self.module.bias).data = bias


@dataclass
class ToggledLayer:
    """The roundings under one name; `start`: the graph's first node that its switches change."""

    name: str
    start: fx.Node
    activation: Switch | None = None
    weight: WeightSwitch | None = None

    def set(self, on: bool, weights: bool = True, activations: bool = True) -> None:
        """Switch the layer's `weights`, its `activations`, or both."""
        if weights and self.weight:
            self.weight.set(on)
        if activations and self.activation:
            self.activation.on = on


def constants(graph: fx.GraphModule, name: str) -> Constants:
    """Weight and bias of the module called `name`."""
    module = graph.get_submodule(name)
    bias = cast("Tensor | None", module.bias)
    return cast(Tensor, module.weight).detach(), None if bias is None else bias.detach()


class Switches:
    """`graph` computes what stage calib does while everything is on, and what `plain` does in float while all is off.

    `prepared`: the calibrated graph. `plain`: the same graph with float's own weights (equalised, where `prepared` is).
    `layers`: name -> layer, in graph order: every rounded activation, and what has weights but float output (the tail).
    `finals`: the graph's node at which a layer's output is final -> the layer's name.
    """

    def __init__(self, prepared: fx.GraphModule, plain: fx.GraphModule) -> None:
        self.graph = frozen(prepared).eval()
        self.layers: dict[str, ToggledLayer] = {}
        self.finals: dict[fx.Node, str] = {}
        calls = dict(quantisers(self.graph))
        for node, quantiser in calls.items():
            if type(quantiser) is ActivationQuantiser:  # nothing is rounded after a constant was added or multiplied
                self._add_rounding(node, quantiser, calls)
        self._add_weights(plain, fake_quantized(prepared))
        self.graph.recompile()
        order = {node: index for index, node in enumerate(self.graph.graph.nodes)}
        self.layers = {layer.name: layer for layer in sorted(self.layers.values(), key=lambda one: order[one.start])}

    def _add_rounding(
        self, node: fx.Node, quantiser: ActivationQuantiser, calls: dict[fx.Node, ActivationQuantiser]
    ) -> None:
        source, switch, start = node.all_input_nodes[0], Switch(), node
        if _resamples(source, quantiser, calls):
            start = self._on_integers(source, quantiser, switch)
        node.target = self._named(f"{source.name}_rounding", Rounding(quantiser, switch))
        self.layers[source.name] = ToggledLayer(source.name, start, switch)
        self.finals[node] = source.name

    def _on_integers(self, node: fx.Node, quantiser: ActivationQuantiser, switch: Switch) -> fx.Node:
        """Resample whole numbers, as stage calib does; returns the node that makes them."""
        before, readers = node.all_input_nodes[0], list(node.users)
        with self.graph.graph.inserting_before(node):
            into = self._named(f"{node.name}_to_integers", ToIntegers(quantiser, switch))
            start = self.graph.graph.call_module(into, (before,))
        node.replace_input_with(before, start)
        with self.graph.graph.inserting_after(node):
            back = self._named(f"{node.name}_from_integers", FromIntegers(quantiser, switch))
            result = self.graph.graph.call_module(back, (node,))
        for reader in readers:
            reader.replace_input_with(node, result)
        return start

    def _named(self, name: str, module: nn.Module) -> str:
        self.graph.add_submodule(name, module)
        return name

    def _add_weights(self, plain: fx.GraphModule, calibrated: fx.GraphModule) -> None:
        names = {id(module): name for name, module in self.graph.named_modules()}
        for node in self.graph.graph.nodes:
            module = module_of(node)
            if not isinstance(module, INT8_LAYERS):
                continue
            floating, fixed = (constants(graph, names[id(module)]) for graph in (plain, calibrated))
            name = self._layer_of(node)
            if name not in self.layers:  # its output isn't rounded
                self.layers[name], self.finals[node] = ToggledLayer(name, node), name
            layer = self.layers[name]
            layer.start, layer.weight = node, WeightSwitch(module, floating, fixed)
            layer.weight.set(True)

    def _layer_of(self, node: fx.Node) -> str:
        """The layer of a weighted node: the rounding of its output, perhaps behind a ReLU, else the node itself."""
        last = node
        while len(last.users) == 1:
            (user,) = last.users
            if user in self.finals:
                return self.finals[user]
            last = user
        return node.name

    def set(self, on: bool, names: Iterable[str] | None = None, weights: bool = True, activations: bool = True) -> None:
        """Switch the layers called `names` (None: all). UserError for a name that isn't a layer."""
        for layer in self.layers.values() if names is None else map(self.__getitem__, names):
            layer.set(on, weights, activations)

    def __getitem__(self, name: str) -> ToggledLayer:
        """The layer called `name`; UserError with the nearest name where there is none."""
        if name not in self.layers:
            raise UserError(f"no layer is called {name}; {nearest(name, self.layers)}")
        return self.layers[name]

    def __iter__(self) -> Iterator[str]:
        """The layers' names in graph order."""
        return iter(self.layers)


def _resamples(node: fx.Node, quantiser: ActivationQuantiser, calls: dict[fx.Node, ActivationQuantiser]) -> bool:
    """Whether `node` resamples between two int8 tensors of one grid."""
    before = node.all_input_nodes[0] if len(node.all_input_nodes) == 1 else None
    return op_of(node).resampling and bool(quantiser.bits == 8) and before in calls and calls[before] is quantiser


@contextmanager
def switched(switches: Switches, weights: bool, activations: bool) -> Iterator[None]:
    """For the block, switch weights or activations everywhere; everything is on before and after."""
    switches.set(weights, activations=False)
    switches.set(activations, weights=False)
    try:
        yield
    finally:
        switches.set(True)
