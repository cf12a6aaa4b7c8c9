"""The layers: their errors as a table and as a chart, and what quantising each costs the network."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from qat.analysis.layer_error import above, worst_first
from qat.evaluation.tasks import task_in
from qat.html import tick_step
from qat.report.text import NOTHING, decibels, number, percent


def address(graph: str, name: str) -> str:
    """Where the layer's node is in the graph's page; "" without one."""
    return f"{graph}#node-{quote(name, safe='')}" if graph else ""


LayerEntry = dict[str, Any]  # of layers.json


@dataclass(frozen=True)
class LayerRow:
    """A layer's errors as text; `above`: how many dB they lie above those of the best grids, where that is known."""

    name: str
    href: str
    op: str
    module: str
    source: str
    above: str
    isolated: tuple[str, ...]
    accumulated: tuple[str, ...]


def worst(layers: Sequence[LayerEntry]) -> list[LayerEntry]:
    """The layers in the order of make debug; without one, the largest isolated error first."""
    if all("above_best_db" in layer for layer in layers):
        return worst_first(list(layers))
    return sorted(layers, key=lambda layer: -error(layer, "isolated"))


def layer_rows(layers: Sequence[LayerEntry], graph: str) -> list[LayerRow]:
    """The same as text, the worst first."""
    return [
        LayerRow(
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


def error(layer: LayerEntry, kind: str) -> float:
    """Relative L2 error, `kind` isolated or accumulated; 0 where it wasn't measured."""
    measures = layer[kind] or {}
    return measures.get("relative_l2") or 0.0


def figures(errors: Mapping[str, float | None] | None) -> tuple[str, ...]:
    """SQNR in dB, relative L2 in percent, cosine, largest error in scales."""
    measures = errors or {}
    share = measures.get("relative_l2")
    cosine, steps = measures.get("cosine"), measures.get("max_steps")
    return (
        decibels(measures.get("sqnr_db")),
        number(None if share is None else 100 * share),
        NOTHING if cosine is None else f"{cosine:.5f}",
        NOTHING if steps is None else f"{steps:.2f}",
    )


WIDTH, HEIGHT = 1080, 230  # the picture, in units of its viewBox
LEFT, TOP, BOTTOM = 44, 26, 22  # the scale's labels, room for a name above a column, the axis
NAMED, APART = 3, 150  # columns with their name above, at most, and how far apart these are


@dataclass(frozen=True)
class LayerColumn:
    """A layer: its place, the top edge of both columns, its label when it is pointed at, where its graph node is."""

    name: str
    label: str
    href: str
    x: float
    accumulated: float
    isolated: float
    named: bool


@dataclass(frozen=True)
class LayerChart:
    """Columns stand on `base`, each `step` apart; ticks are (y, percent)."""

    columns: tuple[LayerColumn, ...]
    step: float
    base: float
    ticks: tuple[tuple[float, str], ...]


def layer_chart(layers: Sequence[LayerEntry], graph: str) -> LayerChart:
    """Lay out the layers in the order given; heights are relative L2 errors, a missing one is none."""
    most = max((max(error(layer, "accumulated"), error(layer, "isolated")) for layer in layers), default=0) or 0.01
    unit = tick_step(100 * most, 4) / 100
    top = unit * math.ceil(most / unit - 1e-9)
    base, step = HEIGHT - BOTTOM, (WIDTH - LEFT) / max(1, len(layers))
    named = _named(layers, step)

    def place(error: float) -> float:
        return base - (base - TOP) * error / top

    columns = tuple(
        LayerColumn(
            layer["name"],
            _label(layer),
            address(graph, layer["name"]),
            LEFT + step * i,
            place(error(layer, "accumulated")),
            place(error(layer, "isolated")),
            i in named,
        )
        for i, layer in enumerate(layers)
    )
    ticks = tuple((place(i * unit), f"{100 * i * unit:g}") for i in range(round(top / unit) + 1))
    return LayerChart(columns, step, base, ticks)


def _named(layers: Sequence[LayerEntry], step: float) -> set[int]:
    """The columns that get a name: the largest isolated errors whose names don't overlap."""
    columns: list[int] = []
    for i in sorted(range(len(layers)), key=lambda i: -error(layers[i], "isolated")):
        free = all(abs(i - column) * step >= APART for column in columns)
        if len(columns) < NAMED and free and error(layers[i], "isolated"):
            columns.append(i)
    return set(columns)


def _label(layer: LayerEntry) -> str:
    isolated, accumulated = (figures(layer[kind]) for kind in ("isolated", "accumulated"))
    return (
        f"{layer['name']} ({layer['op']}): isolated {isolated[1]} % ({isolated[0]} dB), "
        f"accumulated {accumulated[1]} % ({accumulated[0]} dB)"
    )


SENSITIVE = 15
GROUPS = {"all": "everything", "weights": "weights only", "activations": "activations only"}


@dataclass(frozen=True)
class SensitivityRow:
    """What was quantised; figures: MMAC; score, SQNR and share changed with it alone; score, SQNR without it."""

    name: str
    href: str
    module: str
    figures: tuple[str, ...]
    group: bool


@dataclass(frozen=True)
class SensitivityTable:
    """The rows, over how many images, and how many of how many layers are among them."""

    images: int
    rows: tuple[SensitivityRow, ...]
    shown: int
    count: int


def sensitivity_table(measured: Mapping[str, Any], graph: str) -> SensitivityTable | None:
    """The groups and the SENSITIVE layers that alone leave the lowest SQNR; None where nothing was measured."""
    if not measured:
        return None
    ranked = sorted(measured["layers"], key=lambda layer: _sqnr(layer["alone_quantised"]))[:SENSITIVE]
    groups = [
        SensitivityRow(title, "", "", (NOTHING, *_alone(measured["groups"][key]), NOTHING, NOTHING), True)
        for key, title in GROUPS.items()
        if key in measured["groups"]
    ]
    rows = [
        SensitivityRow(each["name"], address(graph, each["name"]), each["module"], _cost_figures(each), False)
        for each in ranked
    ]
    return SensitivityTable(measured["images"], (*groups, *rows), len(ranked), len(measured["layers"]))


def _sqnr(score: Mapping[str, float | None] | None) -> float:
    value = (score or {}).get("sqnr_db")
    return math.inf if value is None else value


def _cost_figures(layer: Mapping[str, Any]) -> tuple[str, ...]:
    macs, without = layer["macs"], layer["alone_float"] or {}
    work = number(macs / 1e6) if macs else NOTHING
    return (
        work,
        *_alone(layer["alone_quantised"] or {}),
        percent(without.get(task_in(without).score)),
        decibels(without.get("sqnr_db")),
    )


def _alone(score: Mapping[str, float | None]) -> tuple[str, str, str]:
    task = task_in(score)
    return percent(score.get(task.score)), decibels(score.get("sqnr_db")), percent(score.get(task.changed), 3)
