"""The stages: a table of exact figures, and a panel of bars for each thing that a stage costs."""

from __future__ import annotations

from dataclasses import dataclass

from qat.evaluation.metrics import Metrics, class_changes, comparable, known_iou, passes, share_of_float
from qat.report.parts.bars import Panel, panel
from qat.report.sources import Sources
from qat.report.text import NOTHING, decibels, megabytes, percent, points


@dataclass(frozen=True)
class Row:
    """A stage as text; `passes`: the gate, None where there is nothing to hold it against."""

    name: str
    mean_iou: str
    kept: str
    change: str
    accuracy: str
    changed: str
    sqnr: str
    worst: str
    worst_iou: str
    milliseconds: str
    megabytes: str
    images: int
    passes: bool | None


def stage_rows(sources: Sources) -> list[Row]:
    """One row a stage, in order."""
    return [_row(name, sources) for name in sources.metrics]


def stage_panels(sources: Sources) -> list[Panel]:
    """What int8 costs and what it gains, each over the stages that have the figure."""
    metrics = sources.metrics
    lost = {name: kept - 1 for name in metrics if name != "float" and (kept := _kept(name, sources)) is not None}
    changed = {name: stage.get("pixels_changed") for name, stage in metrics.items()}
    times = {name: _milliseconds(stage) for name, stage in metrics.items()}
    sizes = {name: sources.sizes.get(name) for name in metrics}
    gate = f"gate, {points(sources.gate - 1)} %"
    shown = (
        panel("mIoU against float", "%", lost, points, sources.gate - 1, gate),
        panel("Pixels whose class changed", "%", changed, lambda share: percent(share, 3)),
        panel("Time of a forward pass", "ms", times, lambda ms: f"{ms:.1f}"),
        panel("Size of the file", "MB", sizes, lambda size: megabytes(int(size))),
    )
    return [each for each in shown if each.bars]


def _row(name: str, sources: Sources) -> Row:
    stage, reference = sources.metrics[name], sources.metrics["float"]
    kept = _kept(name, sources) if name != "float" else None
    worst, worst_iou = _worst(stage, None if kept is None else reference)
    return Row(
        name=name,
        mean_iou=percent(stage["mean_iou"]),
        kept=percent(kept),
        change=NOTHING if kept is None else points(stage["mean_iou"] - reference["mean_iou"]),
        accuracy=percent(stage["pixel_acc"]),
        changed=percent(stage.get("pixels_changed"), 3),
        sqnr=decibels(stage["logit_sqnr"], "equal") if "logit_sqnr" in stage else NOTHING,
        worst=worst,
        worst_iou=worst_iou,
        milliseconds=f"{_milliseconds(stage):.1f}",
        megabytes=megabytes(sources.sizes.get(name)),
        images=stage["images"],
        passes=None if kept is None else passes(stage, reference, sources.gate),
    )


def _kept(name: str, sources: Sources) -> float | None:
    """Share of float's mIoU; None where the two can't be compared."""
    stage, reference = sources.metrics[name], sources.metrics["float"]
    return share_of_float(stage, reference) if comparable(stage, reference) and reference["mean_iou"] else None


def _worst(stage: Metrics, reference: Metrics | None) -> tuple[str, str]:
    """The class that lost most against float and its change; the lowest class where there is nothing to compare."""
    iou = known_iou(stage)
    change = iou if reference is None else class_changes(stage, reference)
    worst = min(change, key=lambda name: change[name], default="")
    if not worst:
        return NOTHING, ""
    return worst, percent(iou[worst]) if reference is None else points(change[worst])


def _milliseconds(stage: Metrics) -> float:
    return 1000 * stage["forward_seconds"] / stage["images"]
