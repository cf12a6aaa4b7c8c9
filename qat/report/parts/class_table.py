"""IoU of every class in every stage, with the change from float and how strongly to colour it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from qat.evaluation.metrics import Metrics, class_changes, comparable
from qat.report.text import percent, points

FULL = 0.01  # the change of IoU that gets the full colour, unless a larger one is in the table


@dataclass(frozen=True)
class Cell:
    """IoU and its change from float as text; `heat`: the change from -1 to 1, 0 for none."""

    iou: str
    change: str
    heat: float


@dataclass(frozen=True)
class Line:
    """A class: its colour as #rrggbb ("" for the mean), float's IoU as text and 0 to 100, a cell for each stage."""

    name: str
    colour: str
    iou: str
    share: float
    cells: tuple[Cell, ...]


def class_lines(metrics: Mapping[str, Metrics], colours: Mapping[str, str]) -> tuple[list[str], list[Line]]:
    """Titles of the stages that can be compared with float, and a line for each class, the mean last."""
    reference = metrics["float"]
    stages = {name: stage for name, stage in metrics.items() if name != "float" and comparable(stage, reference)}
    changes = {name: class_changes(stage, reference) for name, stage in stages.items()}
    most = max([FULL, *(abs(change) for found in changes.values() for change in found.values())])
    lines = [
        Line(
            name,
            colours.get(name, ""),
            percent(iou),
            100 * (iou or 0),
            tuple(_cell(stages[title]["class_iou"][name], changes[title].get(name), most) for title in stages),
        )
        for name, iou in reference["class_iou"].items()
    ]
    return list(stages), [*lines, _mean(reference, list(stages.values()), most)]


def _mean(reference: Metrics, stages: Sequence[Metrics], most: float) -> Line:
    iou = reference["mean_iou"]
    cells = tuple(_cell(stage["mean_iou"], stage["mean_iou"] - iou, most) for stage in stages)
    return Line("mean", "", percent(iou), 100 * iou, cells)


def _cell(iou: float | None, change: float | None, most: float) -> Cell:
    return Cell(percent(iou), points(change), (change or 0) / most)
