"""The report in short: a few figures, large."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from qat.evaluation.metrics import Metrics, comparable
from qat.report.sources import Sources
from qat.report.text import decibels, percent, points

LAST = ("int_infer", "qat", "calib")  # the stage that the report is about: the first of these that was evaluated


@dataclass(frozen=True)
class Tile:
    """A figure with its unit, under a title and above a note."""

    kind: str
    title: str
    figure: str
    unit: str
    note: str


def headline_stage(metrics: Mapping[str, Metrics]) -> str:
    """The stage that the report is about; float where no other can be compared with it."""
    reference = metrics["float"]
    return next((name for name in LAST if name in metrics and comparable(metrics[name], reference)), "float")


def tiles(sources: Sources) -> list[Tile]:
    """float's mIoU, then what the last stage makes of it."""
    reference, name = sources.metrics["float"], headline_stage(sources.metrics)
    count = f"{reference['images']} images"
    first = Tile("fp32", "float mIoU", percent(reference["mean_iou"]), "%", f"{_time(reference)} ms an image, {count}")
    if name == "float":
        return [first]
    stage = sources.metrics[name]
    change = f"{points(stage['mean_iou'] - reference['mean_iou'])} points"
    faster = reference["forward_seconds"] / stage["forward_seconds"]
    noise = "logits equal" if stage["logit_sqnr"] is None else f"logit SQNR {decibels(stage['logit_sqnr'])} dB"
    return [
        first,
        Tile("int8", f"{name} mIoU", percent(stage["mean_iou"]), "%", change),
        Tile("", "pixels changed", percent(stage["pixels_changed"], 3), "%", noise),
        Tile("", f"{name} against float", f"{faster:.1f}", "× the speed", f"{_time(stage)} ms an image"),
    ]


def _time(stage: Metrics) -> str:
    return f"{1000 * stage['forward_seconds'] / stage['images']:.1f}"
