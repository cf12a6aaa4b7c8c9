"""Every layer's int8 grid beside what calibration saw, from qparams.json."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from qat.report.parts.links import address
from qat.report.text import NOTHING, number, percent


@dataclass(frozen=True)
class Grid:
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


def grids(qparams: Mapping[str, Any], graph: str) -> list[Grid]:
    """One line a layer, in the graph's order."""
    return [_grid(name, entry, graph) for name, entry in qparams.items()]


def _grid(name: str, entry: Mapping[str, Any], graph: str) -> Grid:
    seen = entry.get("seen")
    return Grid(
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
    return percent(min([1.0, *(held / found for held, found in sides if found > 0)]), 0)
