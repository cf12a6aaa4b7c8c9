"""A baseline: what each stage is expected to reach, how far it may be off, and where the value comes from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import yaml

from qat.errors import UserError
from qat.evaluation.tasks import TASKS, Task, task_in
from qat.files import read_yaml, write_text

MEASURED = "measured"  # the source of what --update writes; rows with another source are kept
SCORES = tuple(task.score for task in TASKS.values())
CLASSES = tuple(f"{task.class_title} " for task in TASKS.values())  # begin the names of classes' rows
HIGHER_IS_WORSE = tuple(task.changed for task in TASKS.values())
UNITS = (*SCORES, "share_of_float", *HIGHER_IS_WORSE, "logit_sqnr")
MOST_SQNR = 60.0  # dB; above it a float network is as it is, and each CPU rounds in its own way
FLOAT_TOLERANCES = dict.fromkeys(SCORES, 0.0005) | dict.fromkeys(CLASSES, 0.005)
TOLERANCES = (
    dict.fromkeys((*SCORES, "share_of_float"), 0.003)
    | dict.fromkeys(HIGHER_IS_WORSE, 0.002)
    | dict.fromkeys(CLASSES, 0.015)
    | {"logit_sqnr": 1.5}
)
COARSE = 10  # times the tolerance of shares where predictions are boxes, points or pictures, which are few
_EXAMPLE = "stages: {float: {mean_iou: {value: 0.8, tolerance: 0.0005, source: measured}}}"
_ROW = {"value", "tolerance", "source", "both_sides"}


@dataclass(frozen=True)
class Expected:
    """A row's value (a fraction, or dB), the tolerance in the same unit, and its source.

    `both_sides`: a better value is a difference too, as it is to a published figure.
    """

    value: float
    tolerance: float
    source: str = MEASURED
    both_sides: bool = False

    def __post_init__(self) -> None:
        """Raises ValueError for what is no number."""
        for number in (self.value, self.tolerance):
            if isinstance(number, bool) or not isinstance(number, (int, float)) or not math.isfinite(number):
                raise ValueError(f"{number!r} where a number is expected")

    def holds(self, name: str, measured: float) -> bool:
        """Whether a measured value is within the tolerance.

        >>> Expected(0.8, 0.01).holds("mean_iou", 0.795), Expected(0.8, 0.01).holds("mean_iou", 0.9)
        (True, True)
        >>> Expected(0.004, 0.001).holds("pixels_changed", 0.006)
        False
        """
        rise = measured - self.value
        loss = abs(rise) if self.both_sides else rise if name in HIGHER_IS_WORSE else -rise
        return loss <= self.tolerance + 1e-9


@dataclass(frozen=True)
class Baseline:
    """What is expected of a config, by stage and row.

    `config`: data set and name, such as streets/pidnet_s. `images`: the number of pictures; 0 where it doesn't matter.
    `gate`: the share of float's score (0 to 1) that a network must keep to be usable. `made_with`: versions and hashes.
    """

    config: str
    stages: Mapping[str, Mapping[str, Expected]]
    images: int = 0
    gate: float = 0.99
    made_with: Mapping[str, str] = field(default_factory=dict)


def read_baseline(path: str | Path) -> Baseline:
    """Read a baseline's YAML file; UserError where it is no baseline."""
    content = read_yaml(path, _EXAMPLE)
    try:
        stages = {title: _rows(title, rows) for title, rows in content.pop("stages").items()}
        found = Baseline(stages=stages, **content)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path} is no baseline ({_why(error)}); expected config and {_EXAMPLE}") from error
    if not isinstance(found.config, str):
        raise UserError(f"{path} is no baseline (its config is {found.config!r}); expected such as streets/pidnet_s")
    return found


def write_baseline(path: str | Path, baseline: Baseline) -> None:
    """Write a baseline, whole or not at all."""
    content = asdict(baseline) | {"stages": {title: _plain(rows) for title, rows in baseline.stages.items()}}
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    write_text(path, yaml.safe_dump(content, sort_keys=False, default_flow_style=None, width=110))


def updated(
    old: Baseline | None,
    config: str,
    figures: Mapping[str, Mapping[str, float]],
    made_with: Mapping[str, str],
    images: int,
) -> Baseline:
    """Returns the baseline of measured `figures`, by stage and row.

    Of `old` stay the tolerances, rows whose source isn't a measurement here, and stages that weren't run.
    """
    before = old.stages if old else {}
    rows = {title: _updated(title, before.get(title, {}), measured) for title, measured in figures.items()}
    kept = {title: rows for title, rows in before.items() if title not in figures}
    return Baseline(config, {**rows, **kept}, images, old.gate if old else 0.99, dict(made_with))


def _updated(title: str, before: Mapping[str, Expected], measured: Mapping[str, float]) -> dict[str, Expected]:
    found, task = {}, task_in(measured)
    for name, value in measured.items():
        old = before.get(name)
        if old is not None and old.source != MEASURED:
            found[name] = old
        else:
            found[name] = Expected(_kept(name, value), old.tolerance if old else _tolerance(title, name, task))
    return found


def _kept(name: str, value: float) -> float:
    return min(round(value, 5), MOST_SQNR) if name == "logit_sqnr" else round(value, 5)


def _tolerance(title: str, name: str, task: Task) -> float:
    table = FLOAT_TOLERANCES if title == "float" else TOLERANCES
    tolerance = table[next((head for head in CLASSES if name.startswith(head)), name)]
    return tolerance if task.maps or name == "logit_sqnr" else COARSE * tolerance


def _rows(title: str, rows: Mapping[str, Any]) -> dict[str, Expected]:
    for name, row in rows.items():
        if unknown := set(row) - _ROW:
            raise ValueError(f"{title} {name} has the key {min(unknown)}")
        if name not in UNITS and not name.startswith(CLASSES):
            raise ValueError(f"{title} has the row {name}; rows are {', '.join(UNITS)} and {CLASSES[0]}<class>")
    return {name: Expected(**row) for name, row in rows.items()}


def _plain(rows: Mapping[str, Expected]) -> dict[str, Any]:
    plain = {name: asdict(row) for name, row in rows.items()}
    return {name: {key: value for key, value in row.items() if value is not False} for name, row in plain.items()}


def _why(error: Exception) -> str:
    return f"it has no {error}" if isinstance(error, KeyError) else str(error)
