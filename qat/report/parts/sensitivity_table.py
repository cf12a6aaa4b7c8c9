"""What quantising one thing costs the network: groups first, then the most costly layers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from qat.report.parts.links import address
from qat.report.text import NOTHING, decibels, number, percent

SHOWN = 15
GROUPS = {"all": "everything", "weights": "weights only", "activations": "activations only"}


@dataclass(frozen=True)
class Line:
    """What was quantised; figures: MMAC; mIoU, SQNR and pixels changed with it alone; mIoU and SQNR without it."""

    name: str
    href: str
    module: str
    figures: tuple[str, ...]
    group: bool


@dataclass(frozen=True)
class Table:
    """The lines, over how many images, and how many of how many layers are among them."""

    images: int
    lines: tuple[Line, ...]
    shown: int
    count: int


def sensitivity_table(found: Mapping[str, Any], graph: str) -> Table | None:
    """The groups and the SHOWN layers whose quantisation alone leaves the lowest SQNR; None without measurements."""
    if not found:
        return None
    ranked = sorted(found["layers"], key=lambda layer: _sqnr(layer["alone_quantised"]))[:SHOWN]
    groups = [
        Line(title, "", "", (NOTHING, *_alone(found["groups"][key]), NOTHING, NOTHING), True)
        for key, title in GROUPS.items()
        if key in found["groups"]
    ]
    lines = [Line(each["name"], address(graph, each["name"]), each["module"], _figures(each), False) for each in ranked]
    return Table(found["images"], (*groups, *lines), len(ranked), len(found["layers"]))


def _sqnr(score: Mapping[str, float | None] | None) -> float:
    value = (score or {}).get("sqnr_db")
    return math.inf if value is None else value


def _figures(layer: Mapping[str, Any]) -> tuple[str, ...]:
    macs, without = layer["macs"], layer["alone_float"] or {}
    work = number(macs / 1e6) if macs else NOTHING
    return (
        work,
        *_alone(layer["alone_quantised"] or {}),
        percent(without.get("mean_iou")),
        decibels(without.get("sqnr_db")),
    )


def _alone(score: Mapping[str, float | None]) -> tuple[str, str, str]:
    return percent(score.get("mean_iou")), decibels(score.get("sqnr_db")), percent(score.get("pixels_changed"), 3)
