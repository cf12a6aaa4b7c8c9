"""A calibrated graph becomes a program: BN folded, ReLU joined to what it follows, weights as integers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from torch import Tensor, fx, nn

from qat.ao import FusedModule
from qat.backends.fx import frozen, quantisers, spec_of
from qat.backends.quantiser import ActivationQuantiser
from qat.compile.counts import macs
from qat.compile.grids import grid_of, moved, values_of
from qat.compile.program import Program, Quant, Step
from qat.compile.weights import WEIGHTED, weight_of
from qat.graph.nodes import arguments, module_of, op_name, owner_of, shape_of
from qat.graph.shapes import propagate
from qat.graph.source import source_of

IDLE = ("contiguous", "detach", "identity", "dropout", "quant_stub", "dequant_stub")


def program_of(prepared: fx.GraphModule, example: Tensor, quantised: bool = True) -> Program:
    """The program of a calibrated graph, sized for `example` (N, 3, H, W); `quantised=False`: the network in float."""
    graph = frozen(prepared)
    propagate(graph, [example])
    builder = _Builder(graph, spec_of(prepared).weight_observer if quantised else None)
    for node in graph.graph.nodes:
        builder.visit(node)
    return Program(tuple(builder.steps.values()), builder.outputs)


class _Builder:
    """The steps so far; `tensor` leads from a node of the graph to the step whose tensor it gives."""

    def __init__(self, graph: fx.GraphModule, method: str | None) -> None:
        self.graph, self.method, self.quantised = graph, method, method is not None
        self.quantiser = {node.all_input_nodes[0].name: module for node, module in quantisers(graph)}
        self.steps: dict[str, Step] = {}
        self.tensor: dict[str, str] = {}
        self.outputs: tuple[str, ...] = ()

    def visit(self, node: fx.Node) -> None:
        """Add what `node` does."""
        sources = tuple(self.tensor[source.name] for source in node.all_input_nodes)
        if node.op == "output":
            self.outputs = sources
        elif _is_quantiser(node):
            self.quantise(node, sources[0])
        elif op_name(node) in IDLE:
            self.tensor[node.name] = sources[0]
        elif op_name(node) == "relu" and self.is_open(node, sources[0]):
            self.join_relu(node, sources[0])
        else:
            self.add(self.step(node, sources), node)

    def add(self, step: Step, node: fx.Node) -> None:
        """Take `step` for `node`."""
        self.steps[step.name] = step
        self.tensor[node.name] = step.name

    def step(self, node: fx.Node, sources: tuple[str, ...]) -> Step:
        """`node` as a step of its own."""
        if _is_scalar(node):
            return self.scale_shift(node, sources[0])
        module, weight = module_of(node), None
        if isinstance(module, WEIGHTED):
            weight = weight_of(self.graph.get_submodule(str(node.target)), self.method)
        return Step(
            node.name,
            op_name(node) if node.op != "placeholder" else "input",
            tuple(self.tensor[source.name] for source in _read(node)) if sources else (),
            shape_of(node),
            self.grid(node),
            _settings(node),
            relu=_ends_in_relu(node),
            weight=weight,
            macs=macs(node),
            module=_module_path(node),
            source=source_of(node),
        )

    def grid(self, node: fx.Node) -> Quant | None:
        """The grid that `node`'s tensor is rounded to for everyone who reads it."""
        quantiser = self.quantiser.get(node.name)
        shared = all(_is_quantiser(user) for user in node.users)
        return grid_of(quantiser) if quantiser and shared and self.quantised else None

    def quantise(self, node: fx.Node, source: str) -> None:
        """A rounding that only some of the readers see is a step; where all do, it is part of the tensor's own step."""
        if not self.quantised or self.steps[source].quant:
            self.tensor[node.name] = source
            return
        quantiser = self.quantiser[node.all_input_nodes[0].name]
        step = replace(self.steps[source], op="quantise", name=node.name, inputs=(source,), attributes={}, relu=False)
        self.add(replace(step, weight=None, macs=0, quant=grid_of(quantiser)), node)

    def scale_shift(self, node: fx.Node, source: str) -> Step:
        """x + c or x * c; one after another become one."""
        given, before = arguments(node), self.steps[source]
        number = float(next(value for value in (given["input"], given["other"]) if not isinstance(value, fx.Node)))
        scale, shift = (1.0, number) if op_name(node) == "add" else (number, 0.0)
        if before.op == "scale_shift" and len(node.all_input_nodes[0].users) == 1:
            del self.steps[source]
            scale, shift = before.attributes["scale"] * scale, before.attributes["shift"] * scale + shift
            before = self.steps[before.inputs[0]]
        quant = moved(before.quant, scale, shift, values_of(before)) if before.quant else None
        attributes = {"scale": scale, "shift": shift}
        path = _module_path(node)
        return Step(
            node.name,
            "scale_shift",
            (before.name,),
            shape_of(node),
            quant,
            attributes,
            False,
            None,
            0,
            path,
            source_of(node),
        )

    def is_open(self, node: fx.Node, source: str) -> bool:
        """Whether `source` is rounded only after this ReLU."""
        step = self.steps[source]
        return len(node.all_input_nodes[0].users) == 1 and not step.quant and not step.relu and step.op != "input"

    def join_relu(self, node: fx.Node, source: str) -> None:
        """The ReLU becomes part of the step before it, which takes its name and grid."""
        self.add(replace(self.steps.pop(source), name=node.name, relu=True, quant=self.grid(node)), node)


def _is_quantiser(node: fx.Node) -> bool:
    return node.op == "call_module" and isinstance(owner_of(node).get_submodule(str(node.target)), ActivationQuantiser)


def _is_scalar(node: fx.Node) -> bool:
    """x + c or x * c with a number c."""
    return (
        op_name(node) in ("add", "mul") and len(node.all_input_nodes) == 1 and len(set(map(type, node.args[:2]))) == 2
    )


def _read(node: fx.Node) -> list[fx.Node]:
    """The tensors that `node` reads, in order; one that it reads twice comes twice."""
    found: list[fx.Node] = []

    def note(source: fx.Node) -> fx.Node:
        found.append(source)
        return source

    fx.node.map_arg((node.args, node.kwargs), note)
    return found


def _ends_in_relu(node: fx.Node) -> bool:
    module = owner_of(node).get_submodule(str(node.target)) if node.op == "call_module" else None
    return isinstance(module, FusedModule) and isinstance(module[-1], nn.ReLU)


def _settings(node: fx.Node) -> dict[str, Any]:
    """`node`'s arguments that aren't tensors."""
    return {key: value for key, value in arguments(node).items() if not _has_tensor(value)}


def _has_tensor(value: Any) -> bool:
    parts = value if isinstance(value, list | tuple) else (value,)
    return any(isinstance(part, fx.Node | Tensor) for part in parts)


def _module_path(node: fx.Node) -> str:
    if node.op == "call_module":
        return str(node.target)
    stack = list((node.meta.get("nn_module_stack") or {}).values())
    return str(stack[-1][0]) if stack else ""
