"""What the scheme left out: outputs that aren't rounded, layers that run in float, modules used twice or never."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, fx, nn

from qat.analysis.networks import Subject
from qat.backends.calibration import dead_observers
from qat.backends.node_facts import module_path
from qat.graph.source import source_of
from qat.graph.trace import trace
from qat.program.steps import Step

INT8, INT16, FLOAT = 8, 16, 32  # bits of an activation
_MOVES = (torch.quantize_per_tensor, "dequantize")


@dataclass(frozen=True)
class Item:
    """Something to look at: which check, the layer, its module path, the model's source line, what is the matter."""

    check: str
    layer: str
    module: str
    source: str
    text: str


def check_qconfig(subject: Subject, network: nn.Module) -> list[Item]:
    """Everything to look at, check by check in graph order; `network`: the user's own, before any rewriting."""
    return [
        *_unquantised(subject),
        *_high_precision(subject),
        *_modules(network, subject.example),
        *_unfused(subject),
        *_mismatches(subject),
        *_fallbacks(subject),
        *_dead(subject),
    ]


def _at(check: str, step: Step, text: str) -> Item:
    return Item(check, step.name, step.module, step.source, text)


def _unquantised(subject: Subject) -> Iterator[Item]:
    for step in subject.program.steps:
        if step.quant is None and step.name not in subject.program.outputs and step.weight is None:
            yield _at("unquantised output", step, f"{step.op} gives float, so what reads it computes in float")


def _high_precision(subject: Subject) -> Iterator[Item]:
    """Float or int16 outputs belong at the tail; elsewhere each is a choice to know of, and on J5 float is refused."""
    program = subject.program
    for step in program.steps:
        quantiser = subject.quantisers.get(step.name)
        bits = int(quantiser.bits) if quantiser else INT8
        if step.weight and step.quant is None and step.name not in program.outputs:
            yield _at("high precision", step, "float output, but not at the tail; see QUANT.HIGH_PRECISION")
        elif bits != INT8:
            kept = "16 bits" if bits == INT16 else "float"
            yield _at("high precision", step, f"kept in {kept} (QUANT.MAX_DROP)")
        elif step.quant and step.name in program.outputs:
            yield _at("high precision", step, "the network's output is rounded to int8; end it with a convolution")


def _modules(network: nn.Module, example: Tensor) -> Iterator[Item]:
    """Modules with weights that run twice (their int8 kernel has one output scale) or never."""
    graph = trace(network, example).graph
    calls = Counter(str(node.target) for node in graph.nodes if node.op == "call_module")
    used = {str(node.target).rpartition(".")[0] for node in graph.nodes if node.op == "get_attr"}
    first = {str(node.target): node for node in reversed(graph.nodes) if node.op == "call_module"}
    for name, module in network.named_modules():
        if any(module.children()) or not any(True for _ in module.parameters()) or name in used:
            continue
        if not calls[name]:
            yield Item("unused module", "", name, "", f"nn.{type(module).__name__} is never called")
        elif calls[name] > 1:
            text = f"called {calls[name]} times, and an int8 kernel has one output scale for all its calls"
            yield Item("shared module", first[name].name, name, source_of(first[name]), text)


def _unfused(subject: Subject) -> Iterator[Item]:
    for step in subject.program.steps:
        if step.op == "batch_norm":
            text = "not behind a convolution, so it can't be folded: a layer of its own (on J5 a convolution)"
            yield _at("unfused BN", step, text)


def _mismatches(subject: Subject) -> Iterator[Item]:
    program = subject.program
    for step in program.steps:
        kinds = {program[name].quant is None: name for name in step.inputs}
        if len(kinds) > 1:
            yield _at("dtype mismatch", step, f"reads {kinds[False]} in int8 and {kinds[True]} in float")


def _fallbacks(subject: Subject) -> Iterator[Item]:
    """What the int8 network computes on dequantised tensors, but for the tail."""
    floats: set[fx.Node] = set()
    for node in subject.converted.graph.nodes:
        is_float = node.op == "placeholder" or node.target == "dequantize"
        computes = node.op.startswith("call_") and node.target not in _MOVES
        if is_float or (computes and floats.intersection(node.all_input_nodes)):
            floats.add(node)
        if node in floats and computes and node.name not in subject.program.outputs:
            step = subject.program.by_name.get(subject.twins.get(node, node.name))
            path, line = (step.module, step.source) if step else (module_path(node), source_of(node))
            yield Item("float fallback", step.name if step else node.name, path, line, "no int8 kernel runs it")


def _dead(subject: Subject) -> Iterator[Item]:
    for name, why in dead_observers(subject.prepared):
        yield _at("dead observer", subject.program[name], f"{why}: its scale means nothing")
