"""The table of all stages so far, and what to do next."""

from __future__ import annotations

from collections.abc import Mapping

from rich.table import Table

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
from qat.invocation import command
from qat.tables import slim_table

FLOAT = "float"
CAPTION = (
    "In percent, changes in points, SQNR in dB, ms of the forward pass. "
    "Worst class: float's lowest {}; later the largest loss against float."
)

# what to try, below the gate and once it is passed
BELOW = {
    "calib": (
        "try another QUANT.OBSERVER (percentile, min_max), more QUANT.CALIB_IMAGES or QUANT.SCHEME affine; "
        "if that isn't enough, fine-tune"
    ),
    "qat": "fine-tune longer or with a lower learning rate",
    "int_infer": "debug: the int8 kernels must compute what calib simulates; compare pixels changed and QUANT.ENGINE",
    "compiled": "debug: the compiled model must compute what int_infer does",
}
NEXT = {
    FLOAT: ("calib", ""),
    "calib": ("eval", "int_infer"),
    "qat": ("eval", "int_infer"),
    "int_infer": ("compile", ""),
}


_OFFICIAL = {"mean_iou": "MeanIU", "pixel_acc": "Pixel_Acc", "mean_acc": "Mean_Acc"}


def stage_table(stages: Mapping[str, Metrics]) -> Table:
    """One row per stage in the given order; a stage measured on other images than float's has no comparison."""
    task = task_in(next(iter(stages.values()), {}))
    worst = f"worst class\n{task.class_title} (change)"
    columns = (
        *("stage", task.score_title, "of\nfloat", "change", task.second_title, task.changed_title),
        *(title for _, title in (*task.more, *task.pixels)),
        *("logit\nSQNR", worst, "images", "ms per\nimage"),
    )
    caption = CAPTION.format(task.class_title)
    table = slim_table(columns, left=("stage",), wraps=("stage", worst), caption=caption)  # the rest fits in 80 columns
    for name, stage in stages.items():
        table.add_row(*_row(name, stage, None if name == FLOAT else stages.get(FLOAT)))
    return table


def summary(stage: Metrics) -> list[str]:
    """Returns a stage's scores, fractions from 0 to 1; none without labels.

    Of segmentation as PIDNet's own evaluation names them, of other tasks by their keys in metrics.json.

    >>> measured = {"mean_iou": 0.5, "pixel_acc": 0.9, "mean_acc": 0.6, "seconds": 90, "images": 4}
    >>> summary({**measured, "class_iou": {"road": 0.95, "bus": None}})
    ['MeanIU: 0.5000, Pixel_Acc: 0.9000, Mean_Acc: 0.6000; 4 images in 1.5 minutes', 'Class IoU: road 0.9500, bus -']
    """
    if not has_labels(stage):
        return []
    task = task_in(stage)
    names = _OFFICIAL if task.maps else {key: key for key in (task.score, task.second)}
    means = ", ".join(f"{name}: {stage[key]:.4f}" for key, name in names.items())
    classes = ", ".join(f"{name} {'-' if one is None else format(one, '.4f')}" for name, one in of_class(stage).items())
    minutes = f"{stage['images']} images in {stage['seconds'] / 60:.1f} minutes"
    return [f"{means}; {minutes}", f"Class {task.class_title}: {classes}"]


def verdict(name: str, stages: Mapping[str, Metrics], gate: float) -> str:
    """One line: how much of float's score stage `name` keeps, whether that passes the gate, and what to do next.

    `name`: as in `stages`; compiled ones with their runtime, such as compiled ort.

    Raises UserError if the stage and float can't be compared.
    """
    task = task_in(stages[name])
    if name == FLOAT and not has_labels(stages[FLOAT]):
        return f"float: the pictures have no labels, later stages are held against its logits; {_next(name)}"
    if name == FLOAT:
        return f"float: {task.score_title} {task.of(stages[FLOAT]):.2%}; {_next(name)}"
    if FLOAT not in stages:
        return f"{name}: not compared, because float isn't evaluated yet; next: {command('eval', stage=FLOAT)}"
    what = task.score_title if has_labels(stages[FLOAT]) else task.kept
    kept = f"{name} keeps {share_of_float(stages[name], stages[FLOAT]):.2%} of float's {what}"
    if passes(stages[name], stages[FLOAT], gate):
        return "; ".join(part for part in (f"{kept}: passes the gate of {gate:.2%}", _next(name)) if part)
    return f"{kept}, below the gate of {gate:.2%}; {_advice(name, stages, gate)}"


def _next(name: str) -> str:
    """Returns the command to go on with; "" for stages after which there is none."""
    if name not in NEXT:
        return ""
    following, stage = NEXT[name]
    return f"next: {command(following, stage=stage)}"


def _advice(name: str, stages: Mapping[str, Metrics], gate: float) -> str:
    """Returns what to try. The simulation must be good enough before the int8 model is debugged."""
    source = "qat" if "qat" in stages else "calib"
    known = name == "int_infer" and source in stages and comparable(stages[source], stages[FLOAT])
    if known and not passes(stages[source], stages[FLOAT], gate):
        return f"{source} is below it too: {BELOW[source]}"
    return BELOW[name.partition(" ")[0]]


def _row(name: str, stage: Metrics, reference: Metrics | None) -> tuple[str, ...]:
    kept, change, worst = _against(stage, reference)
    task = task_in(stage)
    return (
        name,
        _percent(task.of(stage)),
        kept,
        change,
        _percent(stage[task.second]),
        f"{100 * stage[task.changed]:.3f}" if task.changed in stage else "",
        *(_percent(stage.get(key)) for key, _ in task.more),
        *(f"{stage[key]:.2f}" if key in stage else "" for key, _ in task.pixels),
        _decibels(stage),
        worst,
        str(stage["images"]),
        f"{1000 * stage['forward_seconds'] / stage['images']:.1f}",
    )


def _against(stage: Metrics, reference: Metrics | None) -> tuple[str, str, str]:
    """Share of float's score, change in points, worst class; only the lowest class where nothing can be compared."""
    iou = known_classes(stage)
    if reference is not None and comparable(stage, reference) and not has_labels(reference):
        return _percent(share_of_float(stage, reference)), "", ""
    if reference is None or not comparable(stage, reference) or not task_in(reference).of(reference):
        lowest = min(iou, key=lambda name: iou[name], default="")
        return "", "", f"{lowest} {_percent(iou[lowest])}" if lowest else ""
    change = class_changes(stage, reference)
    worst = min(change, key=lambda name: change[name])
    described = f"{worst} {_percent(iou[worst])} ({_points(change[worst])})"
    own, before = common_means(stage, reference)
    return _percent(share_of_float(stage, reference)), _points(own - before), described


def _percent(fraction: float | None) -> str:
    return "" if fraction is None else f"{100 * fraction:.2f}"


def _points(fraction: float) -> str:
    return f"{100 * fraction:+.2f}"


def _decibels(stage: Metrics) -> str:
    if "logit_sqnr" not in stage:
        return ""
    return "equal" if stage["logit_sqnr"] is None else f"{stage['logit_sqnr']:.1f}"
