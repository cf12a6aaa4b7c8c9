"""The activations and what int8 can hold of them: histograms of the worst layers, and every layer's grid."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qat.report.parts.layers import address
from qat.report.text import NOTHING, number, percent

WIDTH, HEIGHT = 240, 84  # a histogram, in units of its viewBox
SHOWN = 12


@dataclass(frozen=True)
class RangePanel:
    """A layer: the outline of its histogram as an SVG path, x of the grid's ends and of zero, and figures as text."""

    name: str
    module: str
    href: str
    path: str
    low: float
    high: float
    zero: float | None
    ends: tuple[str, str]
    facts: tuple[tuple[str, str], ...]


def range_panels(layers: Sequence[Mapping[str, Any]], order: Sequence[str], graph: str) -> list[RangePanel]:
    """The first SHOWN layers in `order` (names, worst first) that have a histogram; else the most saturated first."""
    by_name = {layer["name"]: layer for layer in layers if _is_drawn(layer["activation"])}
    rest = sorted(by_name, key=lambda name: -by_name[name]["activation"]["saturated"])
    chosen = list(dict.fromkeys([*(name for name in order if name in by_name), *rest]))[:SHOWN]
    return [_range_panel(by_name[name], graph) for name in chosen]


def _is_drawn(activation: Mapping[str, Any] | None) -> bool:
    return bool(activation and activation["histogram"]["counts"])


def _range_panel(layer: Mapping[str, Any], graph: str) -> RangePanel:
    activation = layer["activation"]
    edges, counts = activation["histogram"]["edges"], activation["histogram"]["counts"]
    low = float(min(edges[0], activation["low"]))
    high = float(max(edges[-1], activation["high"]))
    span = high - low or 1.0

    def across(value: float) -> float:
        return round(WIDTH * (value - low) / span, 2)

    return RangePanel(
        layer["name"],
        layer["module"],
        address(graph, layer["name"]),
        _outline([across(edge) for edge in edges], counts),
        across(activation["low"]),
        across(activation["high"]),
        across(0.0) if low < 0 < high else None,
        (number(low), number(high)),
        tuple(_facts(layer)),
    )


def _outline(edges: Sequence[float], counts: Sequence[float]) -> str:
    """Steps as high as the logarithm of the counts: activations pile up at zero, and the tails are what matters."""
    most = math.log1p(max(counts, default=0)) or 1.0
    steps = [
        f"V{HEIGHT - HEIGHT * math.log1p(count) / most:.1f}H{right}"
        for right, count in zip(edges[1:], counts, strict=True)
    ]
    return f"M{edges[0]} {HEIGHT}{''.join(steps)}V{HEIGHT}Z"


def _facts(layer: Mapping[str, Any]) -> list[tuple[str, str]]:
    activation, weight = layer["activation"], layer["weight"]
    facts = [
        ("scale", number(activation["scale"])),
        ("saturated", f"{percent(activation['saturated'], 3)} %"),
        ("outlier channels", _channels(layer["outlier_channels"])),
    ]
    if weight:
        facts.append(("weights", f"{number(weight['min'])} to {number(weight['max'])}"))
        facts.append(("weight scales", f"{number(weight['scale_min'])} to {number(weight['scale_max'])}"))
        facts.append(("weight outliers", _channels(weight["outlier_channels"])))
    return facts


def _channels(outliers: Sequence[Any], shown: int = 3) -> str:
    """The first few channels with how far each sticks out, and how many more there are."""
    texts = [f"{each['channel']} ({each['ratio']:.1f}×)" for each in outliers[:shown]]
    more = [f"{len(outliers) - shown} more"] if len(outliers) > shown else []
    return ", ".join([*texts, *more]) or "none"


@dataclass(frozen=True)
class GridRow:
    """A layer's type, scale, zero point, the range that it can hold and the one that was seen, as text.

    `kept`: the share of what was seen, on the side that is cut more, that the grid holds; in percent.
    """

    name: str
    href: str
    dtype: str
    observer: str
    scale: str
    zero_point: str
    range: str
    seen: str
    kept: str


def grid_rows(qparams: Mapping[str, Any], graph: str) -> list[GridRow]:
    """One line a layer, in the graph's order."""
    return [_grid(name, entry, graph) for name, entry in qparams.items()]


def _grid(name: str, entry: Mapping[str, Any], graph: str) -> GridRow:
    seen = entry.get("seen")
    return GridRow(
        name,
        address(graph, name),
        entry.get("dtype") or NOTHING,
        entry.get("observer") or NOTHING,
        number(entry.get("scale")),
        str(entry.get("zero_point", NOTHING)),
        _span(entry.get("range")),
        _span(seen),
        _kept(entry.get("range"), seen),
    )


def _span(ends: list[float] | None) -> str:
    return NOTHING if not ends else f"{number(ends[0])} to {number(ends[1])}"


def _kept(ends: list[float] | None, seen: list[float] | None) -> str:
    if not ends or not seen:
        return NOTHING
    sides = ((-ends[0], -seen[0]), (ends[1], seen[1]))
    return percent(min([1.0, *(held / extreme for held, extreme in sides if extreme > 0)]), 0)
