"""The geometry of a panel of horizontal bars that share one scale and one zero."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Bar:
    """A line of a panel: from `left`, `width` wide, both in percent of the panel's width."""

    name: str
    text: str
    left: float
    width: float


@dataclass(frozen=True)
class Panel:
    """Bars under a title; `zero` and `mark` (a limit to stay on one side of) in percent of the width."""

    title: str
    unit: str
    bars: tuple[Bar, ...]
    zero: float
    mark: float | None = None
    mark_text: str = ""


def panel(
    title: str,
    unit: str,
    values: Mapping[str, float | None],
    text: Callable[[float], str],
    limit: float | None = None,
    limit_text: str = "",
) -> Panel:
    """Lay out the values that aren't None; bars of negative ones end at the zero line."""
    known = {name: value for name, value in values.items() if value is not None}
    ends = [0.0, *known.values(), *([] if limit is None else [limit])]
    low, span = min(ends), max(ends) - min(ends) or 1.0

    def place(value: float) -> float:
        return 100 * (value - low) / span

    bars = tuple(Bar(name, text(value), place(min(value, 0)), 100 * abs(value) / span) for name, value in known.items())
    return Panel(title, unit, bars, place(0), None if limit is None else place(limit), limit_text)
