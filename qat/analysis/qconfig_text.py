"""qconfig.json and qconfig_info.txt: every layer's types and scales, and what to look at."""

from __future__ import annotations

from typing import Any

from qat.analysis.networks import Subject
from qat.analysis.qconfig import Item
from qat.program.steps import Step


def qconfig(subject: Subject, items: list[Item]) -> dict[str, Any]:
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
