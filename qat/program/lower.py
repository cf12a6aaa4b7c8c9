"""A calibrated graph becomes a program: BN folded, ReLU joined to what it follows, weights as integers."""

from __future__ import annotations

import copy
from dataclasses import replace

from torch import Tensor, fx

from qat.backends.fx import frozen
from qat.backends.node_facts import (
    ends_in_relu,
    is_idle,
    is_quantiser,
    is_scalar,
    module_path,
    origins,
    reads,
    settings,
)
from qat.backends.scales import quantisers
from qat.graph.layers import macs
from qat.graph.nodes import arguments, op_name, op_of, shape_of
from qat.graph.shapes import propagate
from qat.graph.source import source_of
from qat.program.integers import grid_of, moved, values_of, weight_of
from qat.program.steps import Program, Quant, Step


def program_of(prepared: fx.GraphModule, example: Tensor, quantised: bool = True) -> Program:
    """The program of a calibrated graph, sized for `example` (N, 3, H, W); `quantised=False`: the network in float.

    Raises UserError, with the model's line, for a layer that a program can't express.
    """
    graph = frozen(prepared) if quantised else copy.deepcopy(prepared)  # whose observers may have seen nothing
    propagate(graph, [example])
    builder = _Builder(graph, quantised)
    for node in graph.graph.nodes:
        builder.visit(node)
    return Program(tuple(builder.steps.values()), builder.outputs)


class _Builder:
    """The steps so far; `tensor` leads from a node of the graph to the step whose tensor it gives."""

    def __init__(self, graph: fx.GraphModule, quantised: bool) -> None:
        self.graph, self.quantised = graph, quantised
        self.quantiser = {node.all_input_nodes[0].name: module for node, module in quantisers(graph)}
        self.steps: dict[str, Step] = {}
        self.tensor: dict[str, str] = {}
        self.outputs: tuple[str, ...] = ()

    def visit(self, node: fx.Node) -> None:
        """Add what `node` does."""
        sources = tuple(self.tensor[source.name] for source in node.all_input_nodes)
        if node.op == "output":
            self.outputs = sources
        elif is_quantiser(node):
            self.quantise(node, sources[0])
        elif is_idle(node):
            self.tensor[node.name] = sources[0]
        elif op_name(node) == "relu" and self.is_open(node, sources[0]):
            self.join_relu(node, sources[0])
        elif is_scalar(node):
            self.add(self.scale_shift(node, sources[0]), node)
        else:
            self.add(self.step(node), node)

    def add(self, step: Step, node: fx.Node) -> None:
        """Take `step` for `node`."""
        self.steps[step.name] = step
        self.tensor[node.name] = step.name

    def step(self, node: fx.Node) -> Step:
        """`node` as a step of its own."""
        attributes, weight = settings(node), None
        if op_of(node).weight and node.op == "call_module":
            weight = weight_of(self.graph.get_submodule(str(node.target)), self.quantised)
        return Step(
            node.name,
            op_name(node),
            tuple(self.tensor[source.name] for source in reads(node)),
            shape_of(node),
            self.grid(node),
            attributes,
            relu=ends_in_relu(node),
            weight=weight,
            macs=macs(node),
            module=module_path(node),
            source=source_of(node),
        )

    def grid(self, node: fx.Node) -> Quant | None:
        """The grid that `node`'s tensor is rounded to for all of its readers."""
        shared = all(is_quantiser(user) for user in node.users)
        return self.own_grid(node.name) if shared and self.quantised else None

    def own_grid(self, name: str) -> Quant | None:
        """The grid that the calibration gave the node called `name`."""
        return grid_of(self.quantiser[name]) if self.quantised and name in self.quantiser else None

    def quantise(self, node: fx.Node, source: str) -> None:
        """A rounding that only some of the readers see is a step; where all do, it is part of the tensor's own step."""
        grid, step = self.own_grid(node.all_input_nodes[0].name), self.steps[source]
        if not self.quantised or step.quant or grid is None:
            self.tensor[node.name] = source
            return
        rounding = Step(node.name, "quantise", (source,), step.shape, grid, module=step.module, source=step.source)
        self.add(rounding, node)

    def scale_shift(self, node: fx.Node, source: str) -> Step:
        """x + c or x * c; one after another become one."""
        operands, before = arguments(node), self.steps[source]
        number = float(next(operands[side] for side in ("input", "other") if not isinstance(operands[side], fx.Node)))
        scale, shift = (1.0, number) if op_name(node) == "add" else (number, 0.0)
        if before.op == "scale_shift" and not before.relu and self.is_only_reader(node, source):
            del self.steps[source]
            scale, shift = before.attributes["scale"] * scale, before.attributes["shift"] * scale + shift
            before = self.steps[before.inputs[0]]
        attributes, quant = {"scale": scale, "shift": shift}, self.moved_grid(node, before, scale, shift)
        shape, path, line = shape_of(node), module_path(node), source_of(node)
        return Step(node.name, "scale_shift", (before.name,), shape, quant, attributes, module=path, source=line)

    def moved_grid(self, node: fx.Node, before: Step, scale: float, shift: float) -> Quant | None:
        """`before`'s grid, scaled and shifted, unless `node` has a grid of its own."""
        if self.own_grid(node.name):
            return self.grid(node)
        return moved(before.quant, scale, shift, values_of(before)) if before.quant and scale else None

    def is_only_reader(self, node: fx.Node, source: str) -> bool:
        """Whether nothing but `node` reads the step `source`."""
        return all(len(before.users) == 1 for before in origins(node) if self.tensor[before.name] == source)

    def is_open(self, node: fx.Node, source: str) -> bool:
        """Whether `source` is rounded only after this ReLU; the moved grid of a constant is no rounding."""
        step = self.steps[source]
        rounded = step.quant and (step.op != "scale_shift" or self.own_grid(source))
        return self.is_only_reader(node, source) and not rounded and not step.relu and step.op != "input"

    def join_relu(self, node: fx.Node, source: str) -> None:
        """The ReLU becomes part of the step before it, which takes its name and grid."""
        self.add(replace(self.steps.pop(source), name=node.name, relu=True, quant=self.grid(node)), node)
