"""The layers outside the scheme (outputs in float, modules used twice or never), and all layers' types and scales."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn

from qat.analysis.networks import Subject
from qat.backends.node_facts import module_path
from qat.backends.scales import dead_observers
from qat.graph.source import source_of
from qat.graph.trace import trace
from qat.program.steps import Program, Step

INT8, INT16, FLOAT = 8, 16, 32  # bits of an activation
_MOVES = (torch.quantize_per_tensor, "dequantize")


@dataclass(frozen=True)
class QconfigItem:
    """Something to look at: the check, the layer, its module path, the model's source line, and what is wrong."""

    check: str
    layer: str
    module: str
    source: str
    text: str


def check_qconfig(subject: Subject, network: nn.Module) -> list[QconfigItem]:
    """All items to look at, check by check in graph order; `network`: the user's own, before any rewriting."""
    return [
        *_unquantised(subject),
        *_high_precision(subject),
        *_modules(network, subject.example),
        *_unfused(subject),
        *_mismatches(subject),
        *_fallbacks(subject),
        *_dead(subject),
    ]


def _at(check: str, step: Step, text: str) -> QconfigItem:
    return QconfigItem(check, step.name, step.module, step.source, text)


def _unquantised(subject: Subject) -> Iterator[QconfigItem]:
    for step in subject.program.steps:
        if step.quant is None and step.name not in subject.program.outputs and step.weight is None:
            yield _at("unquantised output", step, f"{step.op} gives float, so what reads it computes in float")


def _high_precision(subject: Subject) -> Iterator[QconfigItem]:
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


def _modules(network: nn.Module, example: Tensor) -> Iterator[QconfigItem]:
    """Modules with weights that run twice (torch.ao's int8 kernel has one output scale) or never."""
    graph = trace(network, example).graph
    calls = Counter(str(node.target) for node in graph.nodes if node.op == "call_module")
    used = {str(node.target).rpartition(".")[0] for node in graph.nodes if node.op == "get_attr"}
    first = {str(node.target): node for node in reversed(graph.nodes) if node.op == "call_module"}
    for name, module in network.named_modules():
        if any(module.children()) or not any(True for _ in module.parameters()) or name in used:
            continue
        if not calls[name]:
            yield QconfigItem("unused module", "", name, "", f"nn.{type(module).__name__} is never called")
        elif calls[name] > 1:
            text = f"called {calls[name]} times, and torch.ao's int8 kernel has one output scale for all its calls"
            yield QconfigItem("shared module", first[name].name, name, source_of(first[name]), text)


def _unfused(subject: Subject) -> Iterator[QconfigItem]:
    for step in subject.program.steps:
        if step.op == "batch_norm":
            text = "not behind a convolution, so it can't be folded: a layer of its own (on J5 a convolution)"
            yield _at("unfused BN", step, text)


def _mismatches(subject: Subject) -> Iterator[QconfigItem]:
    program = subject.program
    for step in program.steps:
        kinds = {program[name].quant is None: name for name in step.inputs}
        if len(kinds) > 1:
            yield _at("dtype mismatch", step, f"reads {kinds[False]} in int8 and {kinds[True]} in float")


def _fallbacks(subject: Subject) -> Iterator[QconfigItem]:
    """What the int8 network computes on dequantised tensors, but for the tail."""
    if subject.runs_program:
        yield from (_at("float fallback", step, "it has no int8 grid") for step in _without_grid(subject.program))
        return
    floats: set[fx.Node] = set()
    for node in subject.converted.graph.nodes:
        is_float = node.op == "placeholder" or node.target == "dequantize"
        computes = node.op.startswith("call_") and node.target not in _MOVES
        if is_float or (computes and floats.intersection(node.all_input_nodes)):
            floats.add(node)
        if node in floats and computes and node.name not in subject.program.outputs:
            step = subject.program.by_name.get(subject.twins.get(node, node.name))
            path, line = (step.module, step.source) if step else (module_path(node), source_of(node))
            yield QconfigItem("float fallback", step.name if step else node.name, path, line, "no int8 kernel runs it")


def _without_grid(program: Program) -> list[Step]:
    steps = (step for step in program.steps if step.quant is None and step.weight is None)
    return [step for step in steps if step.name not in program.outputs]


def _dead(subject: Subject) -> Iterator[QconfigItem]:
    for name, why in dead_observers(subject.prepared):
        yield _at("dead observer", subject.program[name], f"{why}: its scale means nothing")


def qconfig(subject: Subject, items: list[QconfigItem]) -> dict[str, Any]:
    """The content of qconfig.json: each step's types and scales, and what to look at."""
    return {"layers": [_layer(subject, step) for step in subject.program.steps], "items": [vars(one) for one in items]}


def _layer(subject: Subject, step: Step) -> dict[str, Any]:
    quantiser = subject.quantisers.get(step.name)
    scales = step.weight.scales if step.weight else None
    weight = None if step.weight is None else "float32" if scales is None else f"qint8, {_count(scales.size)}"
    return {
        "name": step.name,
        "module": step.module,
        "source": step.source,
        "op": step.op,
        "weight": weight,
        "output": "float32" if step.quant is None else "quint8",
        "scale": step.quant.scale if step.quant else None,
        "zero_point": step.quant.zero_point if step.quant else None,
        "observer": None if quantiser is None else "fixed" if quantiser.fixed else quantiser.observer.method,
    }


def _count(scales: int) -> str:
    return "one scale" if scales == 1 else f"{scales} scales"


def as_text(content: dict[str, Any]) -> str:
    """qconfig_info.txt: the items first, then every layer."""
    items, layers = content["items"], content["layers"]
    lines = [f"Items to look at: {len(items)}", ""]
    lines += [
        f"{one['check']}: {one['layer'] or one['module']} ({one['module']}, {one['source']}): {one['text']}"
        for one in items
    ]
    lines += ["", "Each layer: operation, weight -> output", ""]
    return "\n".join(lines + [_line(layer) for layer in layers]) + "\n"


def _line(layer: dict[str, Any]) -> str:
    scale = f", scale {layer['scale']:.6g}, zero point {layer['zero_point']}" if layer["scale"] else ""
    observer = f" ({layer['observer']})" if layer["observer"] else ""
    types = f"{layer['weight'] or 'no weight'} -> {layer['output']}"
    return f"{layer['name']}: {layer['op']}, {types}{scale}{observer}; {layer['module']} {layer['source']}"
