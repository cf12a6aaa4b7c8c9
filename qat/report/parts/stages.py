"""The stages: figures in short, a table of exact ones, bars for what a stage costs, and every class's score."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from qat.evaluation.metrics import (
    Metrics,
    class_changes,
    common_means,
    comparable,
    has_labels,
    known_classes,
    of_class,
    passes,
    share_of_float,
)
from qat.evaluation.tasks import task_in
from qat.report.sources import Sources
from qat.report.text import NOTHING, decibels, megabytes, percent, points

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
    """The tiles: float's score, then the last stage's figures."""
    reference, name = sources.metrics["float"], headline_stage(sources.metrics)
    count = f"{reference['images']} images"
    note = f"{_milliseconds(reference)} ms an image, {count}"
    task = task_in(reference)
    first = Tile("fp32", f"float {task.score_title}", percent(task.of(reference)), "%", note)
    if not has_labels(reference):
        first = Tile("fp32", "float", str(reference["images"]), "images", "without labels; later stages against float")
    if name == "float":
        return [first]
    stage = sources.metrics[name]
    faster = reference["forward_seconds"] / stage["forward_seconds"]
    noise = "logits equal" if stage["logit_sqnr"] is None else f"logit SQNR {decibels(stage['logit_sqnr'])} dB"
    return [
        first,
        *([_accuracy(name, stage, reference)] if has_labels(reference) else []),
        Tile("", task.changed_title.replace("\n", " "), percent(stage[task.changed], 3), "%", noise),
        Tile("", f"{name} against float", f"{faster:.1f}", "× the speed", f"{_milliseconds(stage)} ms an image"),
    ]


def _accuracy(name: str, stage: Metrics, reference: Metrics) -> Tile:
    task = task_in(stage)
    change = f"{points(stage[task.score] - reference[task.score])} points"
    return Tile("int8", f"{name} {task.score_title}", percent(stage[task.score]), "%", change)


@dataclass(frozen=True)
class PanelBar:
    """A line of a panel: from `left`, `width` wide, both in percent of the panel's width."""

    name: str
    text: str
    left: float
    width: float


@dataclass(frozen=True)
class BarPanel:
    """Bars under a title; `zero` and `mark` (a limit to stay on one side of) in percent of the width."""

    title: str
    unit: str
    bars: tuple[PanelBar, ...]
    zero: float
    mark: float | None = None
    mark_text: str = ""


def bar_panel(
    title: str,
    unit: str,
    values: Mapping[str, float | None],
    text: Callable[[float], str],
    limit: float | None = None,
    limit_text: str = "",
) -> BarPanel:
    """Lay out the values that aren't None; bars of negative ones end at the zero line."""
    known = {name: value for name, value in values.items() if value is not None}
    ends = [0.0, *known.values(), *([] if limit is None else [limit])]
    low, span = min(ends), max(ends) - min(ends) or 1.0

    def place(value: float) -> float:
        return 100 * (value - low) / span

    bars = tuple(
        PanelBar(name, text(value), place(min(value, 0)), 100 * abs(value) / span) for name, value in known.items()
    )
    return BarPanel(title, unit, bars, place(0), None if limit is None else place(limit), limit_text)


@dataclass(frozen=True)
class StageRow:
    """A stage as text; `passes`: whether it passes the gate, None where it can't be compared."""

    name: str
    score: str
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


def stage_rows(sources: Sources) -> list[StageRow]:
    """One row a stage, in order."""
    return [_stage_row(name, sources) for name in sources.metrics]


def stage_panels(sources: Sources) -> list[BarPanel]:
    """The panels of int8's costs and gains, each over the stages that have the figure."""
    metrics = sources.metrics
    lost = {name: kept - 1 for name in metrics if name != "float" and (kept := _kept(name, sources)) is not None}
    task = task_in(metrics["float"])
    changed = {name: stage.get(task.changed) for name, stage in metrics.items()}
    times = {name: _forward_ms(stage) for name, stage in metrics.items()}
    sizes = {name: sources.sizes.get(name) for name in metrics}
    gate = f"gate, {points(sources.gate - 1)} %"
    panels = (
        bar_panel(
            f"{task.score_title} against float" if has_labels(metrics["float"]) else "Predictions against float",
            "%",
            lost,
            points,
            sources.gate - 1,
            gate,
        ),
        bar_panel(task.changed_title.replace("\n", " ").capitalize(), "%", changed, lambda share: percent(share, 3)),
        bar_panel("Time of a forward pass", "ms", times, lambda ms: f"{ms:.1f}"),
        bar_panel("Size of the file", "MB", sizes, lambda size: megabytes(int(size))),
    )
    return [each for each in panels if each.bars]


def _stage_row(name: str, sources: Sources) -> StageRow:
    stage, reference = sources.metrics[name], sources.metrics["float"]
    task = task_in(stage)
    kept = _kept(name, sources) if name != "float" else None
    worst, worst_iou = _worst(stage, None if kept is None else reference)
    return StageRow(
        name=name,
        score=percent(task.of(stage)),
        kept=percent(kept),
        change=NOTHING if kept is None or not has_labels(stage) else _change(stage, reference),
        accuracy=percent(stage[task.second]),
        changed=percent(stage.get(task.changed), 3),
        sqnr=decibels(stage["logit_sqnr"], "equal") if "logit_sqnr" in stage else NOTHING,
        worst=worst,
        worst_iou=worst_iou,
        milliseconds=_milliseconds(stage),
        megabytes=megabytes(sources.sizes.get(name)),
        images=stage["images"],
        passes=None if kept is None else passes(stage, reference, sources.gate),
    )


def _kept(name: str, sources: Sources) -> float | None:
    """Share of float's score; None where the two can't be compared."""
    stage, reference = sources.metrics[name], sources.metrics["float"]
    known = comparable(stage, reference) and task_in(reference).of(reference) != 0
    return share_of_float(stage, reference) if known else None


def _change(stage: Metrics, reference: Metrics) -> str:
    own, before = common_means(stage, reference)
    return points(own - before)


def _worst(stage: Metrics, reference: Metrics | None) -> tuple[str, str]:
    """The class that lost most against float and its change; the lowest class where there is nothing to compare."""
    iou = known_classes(stage)
    change = iou if reference is None else class_changes(stage, reference)
    worst = min(change, key=lambda name: change[name], default="")
    if not worst:
        return NOTHING, ""
    return worst, percent(iou[worst]) if reference is None else points(change[worst])


def _forward_ms(stage: Metrics) -> float:
    return 1000 * float(stage["forward_seconds"]) / int(stage["images"])


def _milliseconds(stage: Metrics) -> str:
    return f"{_forward_ms(stage):.1f}"


FULL = 0.01  # the change of a class's score that gets the full colour, unless a larger one is in the table


@dataclass(frozen=True)
class ClassCell:
    """A class's score, its change from float as text, and `heat`: the change from -1 to 1, 0 for none."""

    score: str
    change: str
    heat: float


@dataclass(frozen=True)
class ClassRow:
    """A class: its colour as #rrggbb ("" for the mean), float's score as text and 0 to 100, a cell for each stage."""

    name: str
    colour: str
    score: str
    share: float
    cells: tuple[ClassCell, ...]


def class_rows(metrics: Mapping[str, Metrics], colours: Mapping[str, str]) -> tuple[list[str], list[ClassRow]]:
    """Titles of the stages that can be compared with float, and a line for each class, the mean last."""
    reference = metrics["float"]
    if not has_labels(reference):
        return [], []
    stages = {name: stage for name, stage in metrics.items() if name != "float" and comparable(stage, reference)}
    changes = {name: class_changes(stage, reference) for name, stage in stages.items()}
    most = max([FULL, *(abs(change) for by_class in changes.values() for change in by_class.values())])
    rows = [
        ClassRow(
            name,
            colours.get(name, ""),
            percent(score),
            100 * (score or 0),
            tuple(_cell(of_class(stages[title])[name], changes[title].get(name), most) for title in stages),
        )
        for name, score in of_class(reference).items()
    ]
    return list(stages), [*rows, _mean(reference, list(stages.values()), most)]


def _mean(reference: Metrics, stages: Sequence[Metrics], most: float) -> ClassRow:
    task = task_in(reference)
    score = reference[task.score]
    cells = tuple(_cell(stage[task.score], stage[task.score] - score, most) for stage in stages)
    return ClassRow("mean", "", percent(score), 100 * score, cells)


def _cell(score: float | None, change: float | None, most: float) -> ClassCell:
    return ClassCell(percent(score), points(change), (change or 0) / most)
