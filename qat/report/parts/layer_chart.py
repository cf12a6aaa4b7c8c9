"""The geometry of the layer error chart: a column for each layer, accumulated error behind isolated error."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from qat.compile.perf.chart import tick_step
from qat.report.parts.layer_table import Layer, error, figures
from qat.report.parts.links import address

WIDTH, HEIGHT = 1080, 230  # the picture, in units of its viewBox
LEFT, TOP, BOTTOM = 44, 26, 22  # the scale's labels, room for a name above a column, the axis
NAMED, APART = 3, 150  # columns with their name above, at most, and how far apart these are


@dataclass(frozen=True)
class Column:
    """A layer: its place, the top edge of both columns, its label for who points at it, where its graph node is."""

    name: str
    label: str
    href: str
    x: float
    accumulated: float
    isolated: float
    named: bool


@dataclass(frozen=True)
class Chart:
    """Columns stand on `base`, each `step` apart; ticks are (y, percent)."""

    columns: tuple[Column, ...]
    step: float
    base: float
    ticks: tuple[tuple[float, str], ...]


def layer_chart(layers: Sequence[Layer], graph: str) -> Chart:
    """Lay out the layers in the order given; heights are relative L2 errors, a missing one is none."""
    most = max((max(error(layer, "accumulated"), error(layer, "isolated")) for layer in layers), default=0) or 0.01
    unit = tick_step(100 * most, 4) / 100
    top = unit * math.ceil(most / unit - 1e-9)
    base, step = HEIGHT - BOTTOM, (WIDTH - LEFT) / max(1, len(layers))
    named = _named(layers, step)

    def place(error: float) -> float:
        return base - (base - TOP) * error / top

    columns = tuple(
        Column(
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
    return Chart(columns, step, base, ticks)


def _named(layers: Sequence[Layer], step: float) -> set[int]:
    """Which columns get a name: the largest isolated errors whose names don't lie on each other."""
    found: list[int] = []
    for i in sorted(range(len(layers)), key=lambda i: -error(layers[i], "isolated")):
        free = all(abs(i - other) * step >= APART for other in found)
        if len(found) < NAMED and free and error(layers[i], "isolated"):
            found.append(i)
    return set(found)


def _label(layer: Layer) -> str:
    isolated, accumulated = (figures(layer[kind]) for kind in ("isolated", "accumulated"))
    return (
        f"{layer['name']} ({layer['op']}): isolated {isolated[1]} % ({isolated[0]} dB), "
        f"accumulated {accumulated[1]} % ({accumulated[0]} dB)"
    )
