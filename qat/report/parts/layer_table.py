"""The layers' errors as text, and their order by what each layer does wrong itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qat.analysis.layer_error import above, worst_first
from qat.report.parts.links import address
from qat.report.text import NOTHING, decibels, number

Layer = dict[str, Any]  # of layers.json


@dataclass(frozen=True)
class Line:
    """A layer's errors as text; `above`: how many dB they lie above those of the best grids, where that is known."""

    name: str
    href: str
    op: str
    module: str
    source: str
    above: str
    isolated: tuple[str, ...]
    accumulated: tuple[str, ...]


def worst(layers: Sequence[Layer]) -> list[Layer]:
    """The layers as make debug ranks them; where it doesn't, the largest isolated error first."""
    if all("above_best_db" in layer for layer in layers):
        return worst_first(list(layers))
    return sorted(layers, key=lambda layer: -error(layer, "isolated"))


def layer_lines(layers: Sequence[Layer], graph: str) -> list[Line]:
    """The same as text, the worst first."""
    return [
        Line(
            layer["name"],
            address(graph, layer["name"]),
            layer["op"],
            layer["module"] or NOTHING,
            layer["source"] or NOTHING,
            decibels(above(layer)) if "above_best_db" in layer else "",
            figures(layer["isolated"]),
            figures(layer["accumulated"]),
        )
        for layer in worst(layers)
    ]


def error(layer: Layer, kind: str) -> float:
    """Relative L2 error, `kind` isolated or accumulated; 0 where it wasn't measured."""
    found = layer[kind] or {}
    return found.get("relative_l2") or 0.0


def figures(errors: Mapping[str, float | None] | None) -> tuple[str, ...]:
    """SQNR in dB, relative L2 in percent, cosine, largest error in scales."""
    found = errors or {}
    share = found.get("relative_l2")
    cosine, steps = found.get("cosine"), found.get("max_steps")
    return (
        decibels(found.get("sqnr_db")),
        number(None if share is None else 100 * share),
        NOTHING if cosine is None else f"{cosine:.5f}",
        NOTHING if steps is None else f"{steps:.2f}",
    )
