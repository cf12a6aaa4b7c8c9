"""A calibrated graph becomes a program: BN folded, ReLU joined to what it follows, weights as integers."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

from torch import Tensor, fx

from qat.backends.fx import frozen
from qat.backends.node_facts import ends_in_relu, is_idle, is_quantiser, is_scalar, module_path, origins, reads
from qat.backends.scales import quantisers
from qat.graph.layers import macs
from qat.graph.nodes import arguments, op_name, op_of, shape_of, value_of
from qat.graph.shapes import propagate
from qat.graph.source import source_of
from qat.program.constants import Constants
from qat.program.forms import Form, form_of, part_of, picked
from qat.program.integers import grid_of, moved, moves_integers, numpy, values_of, weight_of
from qat.program.operands import gives_several, operands_of
from qat.program.steps import Program, Quant, Step, Weight


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
        self.constants = Constants(graph)
        self.steps: dict[str, Step] = {}
        self.tensor: dict[str, str] = {}
        self.outputs: tuple[str, ...] = ()

    def visit(self, node: fx.Node) -> None:
        """Add what `node` does; numbers, constants and tuples become steps where they are read."""
        if node.op == "output":
            self.outputs = tuple(name for source in reads(node) for name in self.names(source))
        elif not isinstance(value_of(node), Tensor) or self.constants.learn(node):
            return
        elif is_quantiser(node):
            self.quantise(node, *self.names(node.all_input_nodes[0]))
        elif is_idle(node):
            self.tensor[node.name] = self.names(node.all_input_nodes[0])[0]
        elif op_name(node) == "relu" and self.is_open(node, self.names(node.all_input_nodes[0])[0]):
            self.join_relu(node, self.names(node.all_input_nodes[0])[0])
        elif is_scalar(node):
            self.add(self.scale_shift(node, self.names(node.all_input_nodes[0])[0]), node)
        else:
            self.add(self.step(node), node)

    def add(self, step: Step, node: fx.Node) -> None:
        """Take `step` for `node`."""
        self.steps[step.name] = step
        self.tensor[node.name] = step.name

    def names(self, source: fx.Node) -> tuple[str, ...]:
        """The steps that give what `source` gives; made now, where they are a constant or parts."""
        if source.name in self.tensor:
            return (self.tensor[source.name],)
        constant = self.constants.of(source)
        if constant is not None:
            self.add(self.constant(source, source.name, constant, self.grid(source)), source)
            return (source.name,)
        return tuple(self.part(source, index) for index in range(len(value_of(source))))

    def part(self, node: fx.Node, index: int) -> str:
        """The step of a tensor of several that is read with the others."""
        source, name = node.all_input_nodes[0], f"{node.name}_{index}"
        if op_name(node) == "getitem" and gives_several(source):
            return self.part(source, picked(node)[index])
        if name not in self.steps:
            form, shape = part_of(node, operands_of(node), index), tuple(value_of(node)[index].shape)
            self.steps[name] = self.formed(node, name, form, shape)
        return name

    def constant(self, node: fx.Node, name: str, tensor: Tensor, quant: Quant | None = None) -> Step:
        """A tensor that is the same for every picture."""
        weight, path, line = Weight(numpy(tensor)), module_path(node), source_of(node)
        return Step(name, "constant", (), tuple(tensor.shape), quant, weight=weight, module=path, source=line)

    def inputs(self, node: fx.Node, form: Form) -> tuple[str, ...]:
        """The names of the tensors that `node` reads, in order; one that it reads twice comes twice."""
        names: list[str] = []
        for index, source in enumerate(form.tensors):
            if isinstance(source, fx.Node):
                names += self.names(source)
            else:
                names.append(f"{node.name}_constant_{index}")
                self.steps[names[-1]] = self.constant(node, names[-1], source)
        return tuple(names)

    def step(self, node: fx.Node) -> Step:
        """`node` as a step of its own."""
        source = node.args[0] if op_name(node) == "getitem" else None
        if isinstance(source, fx.Node) and gives_several(source):
            form = part_of(source, operands_of(source), picked(node)[0])
            return self.formed(source, node.name, form, shape_of(node), node)
        return self.formed(node, node.name, form_of(node, operands_of(node), self.constants.of), shape_of(node), node)

    def formed(
        self, node: fx.Node, name: str, form: Form, shape: tuple[int, ...], rounded: fx.Node | None = None
    ) -> Step:
        """The step called `name` of what `node` does; `rounded`: the node whose tensor a quantiser may round."""
        weight = None
        if op_of(node).weight and node.op == "call_module":
            weight = weight_of(self.graph.get_submodule(str(node.target)), self.quantised)
            form = replace(form, tensors=tuple(source for source in form.tensors if isinstance(source, fx.Node)))
        step = Step(
            name,
            form.op,
            self.inputs(node, form),
            shape,
            self.grid(rounded) if rounded else None,
            form.attributes,
            relu=ends_in_relu(node),
            weight=weight,
            macs=macs(node),
            module=module_path(node),
            source=source_of(node),
        )
        return step if step.quant else replace(step, quant=self.kept_grid(step))

    def kept_grid(self, step: Step) -> Quant | None:
        """The grid of what `step` reads, if that is one and the step only moves its integers."""
        quants = {self.steps[name].quant for name in step.inputs}
        return quants.pop() if moves_integers(step) and len(quants) == 1 else None

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
        quantiser = self.quantiser[node.all_input_nodes[0].name]
        if self.quantised and quantiser.bits == 16:  # a float within the range of 16 bits
            limits = dict(zip(("min", "max"), quantiser.wide_range, strict=True))
            self.add(self.after(node, "clamp", step, attributes=limits), node)
            return
        if grid is None or grid == step.quant:
            self.tensor[node.name] = source
            return
        self.add(self.after(node, "quantise", step, quant=grid), node)

    def after(self, node: fx.Node, op: str, step: Step, **settings: Any) -> Step:
        """A step for the rounding `node`, of what `step` gives."""
        return Step(node.name, op, (step.name,), step.shape, module=step.module, source=step.source, **settings)

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
        return all(len(before.users) == 1 for before in origins(node) if self.tensor.get(before.name) == source)

    def is_open(self, node: fx.Node, source: str) -> bool:
        """Whether `source` is rounded only after this ReLU; the moved grid of a constant is no rounding."""
        step = self.steps[source]
        rounded = step.quant and (step.op != "scale_shift" or self.own_grid(source))
        return self.is_only_reader(node, source) and not rounded and not step.relu and step.op != "input"

    def join_relu(self, node: fx.Node, source: str) -> None:
        """The ReLU becomes part of the step before it, which takes its name and grid."""
        self.add(replace(self.steps.pop(source), name=node.name, relu=True, quant=self.grid(node)), node)
