"""One calibrated network in its three forms, and facts of its layers."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, fx

from qat.analysis.toggle import Switches
from qat.backends.fx import convert
from qat.backends.node_facts import is_idle, is_quantiser
from qat.backends.quantiser import ActivationQuantiser
from qat.backends.scales import freeze_scales, quantisers
from qat.graph.nodes import op_name
from qat.program.lower import program_of
from qat.program.steps import Program


@dataclass(frozen=True)
class Sample:
    """A picture: `image` (1, 3, H, W) normalised; `label` (1, h, w) or None; `size`: height, width of its classes.

    `canvas`: height and width that the logits span where the picture is padded (`qat.data.fit`); None: `size`.
    """

    name: str
    image: Tensor
    label: Tensor | None
    size: tuple[int, int]
    canvas: tuple[int, int] | None = None


@dataclass(frozen=True)
class Subject:
    """`prepared`: the calibrated graph; `plain`: the same with float's own weights (equalised, where that is)."""

    prepared: fx.GraphModule
    plain: fx.GraphModule
    example: Tensor

    def __post_init__(self) -> None:
        """Settle scales that are still open, so that every form has the same ones."""
        freeze_scales(self.prepared)

    @cached_property
    def on(self) -> Switches:
        """Stage calib."""
        return Switches(self.prepared, self.plain)

    @cached_property
    def off(self) -> Switches:
        """Float."""
        switches = Switches(self.prepared, self.plain)
        switches.set(False)
        return switches

    @cached_property
    def converted(self) -> fx.GraphModule:
        """Stage int_infer's kernels."""
        return convert(self.prepared)

    @cached_property
    def twins(self) -> dict[fx.Node, str]:
        """Node of `converted` -> layer."""
        return match_layers(self.prepared, self.converted, self.on.layers)

    @cached_property
    def program(self) -> Program:
        """The int8 network as steps; layers have their steps' names."""
        return program_of(self.prepared, self.example)

    @cached_property
    def quantisers(self) -> dict[str, ActivationQuantiser]:
        """Layer -> what rounds its output; layers that share a scale share it. The tail has none."""
        rounding = {node.all_input_nodes[0].name: quantiser for node, quantiser in quantisers(self.prepared)}
        return {name: rounding[name] for name in self.on.layers if name in rounding}

    def facts(self, name: str) -> dict[str, Any]:
        """A layer's name, operation, module path, source line and multiply-accumulates."""
        step = self.program[name]
        return {"name": name, "op": step.op, "module": step.module, "source": step.source, "macs": step.macs}


def channels(tensor: Tensor) -> Tensor:
    """The largest absolute value of each channel (C,) of a tensor (N, C, ...)."""
    axes = [axis for axis in range(tensor.dim()) if axis != 1]
    return torch.maximum(tensor.amax(axes), -tensor.amin(axes))


KERNEL, RELU = "quantized.", "_relu"  # how torch spells its int8 kernels
PASSES = (torch.quantize_per_tensor, "dequantize")


def match_layers(prepared: fx.GraphModule, converted: fx.GraphModule, layers: Container[str]) -> dict[fx.Node, str]:
    """Node of `converted` -> name of the layer in `prepared` that it computes, for those called in `layers`.

    Two nodes are the same where they do the same to the same tensors. Nodes without a twin are left out.
    """
    open_calls = [node for node in prepared.graph.nodes if not is_quantiser(node) and not is_idle(node)]
    same: dict[fx.Node, fx.Node] = {}
    for node in converted.graph.nodes:
        sources = [source for source in node.all_input_nodes if source.op != "get_attr"]
        if node.target in PASSES:
            same.update((node, same[source]) for source in sources[:1] if source in same)
        elif all(source in same for source in sources):
            twin = next((call for call in open_calls if _does_the_same(node, call, [same[s] for s in sources])), None)
            if twin:
                open_calls.remove(twin)
                same[node] = _behind_relu(node, twin)
    last = {twin.name: node for node, twin in same.items() if node.target != "dequantize"}  # where it is integers
    return {node: name for name, node in last.items() if name in layers}


def _does_the_same(node: fx.Node, call: fx.Node, sources: list[fx.Node]) -> bool:
    """Whether `node` of the converted graph is `call` of the prepared one, given where its inputs come from."""
    if [_origin(source) for source in call.all_input_nodes] != sources:
        return False
    if str(node.target).startswith(KERNEL):
        return _kernel(node).removesuffix(RELU) == op_name(call)
    return (node.op, node.target) == (call.op, call.target)


def _kernel(node: fx.Node) -> str:
    return str(node.target).removeprefix(KERNEL).partition(".")[0]


def _behind_relu(node: fx.Node, twin: fx.Node) -> fx.Node:
    """A kernel with a ReLU in it gives the tensor of the ReLU's own node."""
    if str(node.target).startswith(KERNEL) and _kernel(node).endswith(RELU):
        return next(user for user in twin.users if op_name(user) == "relu")
    return twin


def _origin(node: fx.Node) -> fx.Node:
    """What made the tensor that `node` rounds or passes on."""
    while is_quantiser(node) or is_idle(node):
        node = node.all_input_nodes[0]
    return node
