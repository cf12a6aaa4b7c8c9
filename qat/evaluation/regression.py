"""Measured stages held against a baseline: each row's verdict, as a table and as JUnit XML."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

from rich.table import Table

from qat.evaluation.baseline import HIGHER_IS_WORSE, Baseline, Expected
from qat.evaluation.metrics import Metrics, has_labels, known_classes, share_of_float
from qat.evaluation.tasks import task_in
from qat.tables import slim_table

HOLDS, FELL, NOT_RUN = "holds", "fell", "not run"
COLUMNS = ("stage", "figure", "expected", "tolerance", "measured", "", "source")
CAPTION = "Fractions in percent and tolerances in points; SQNR in dB."
_DECIBELS = ("logit_sqnr",)


@dataclass(frozen=True)
class Row:
    """A row of the baseline and its verdict: HOLDS, FELL or NOT_RUN. `why`: why `measured` is None."""

    stage: str
    name: str
    expected: Expected
    measured: float | None
    verdict: str
    why: str = ""

    @property
    def line(self) -> str:
        """The row in words.

        >>> Row("calib", "mean_iou", Expected(0.8, 0.003), 0.7, FELL).line
        'calib mean_iou: 70.00, expected 80.00 within 0.30'
        """
        value, slack = shown(self.name, self.expected.value), shown(self.name, self.expected.tolerance)
        return (
            f"{self.stage} {self.name}: {self.why or shown(self.name, self.measured)}, expected {value} within {slack}"
        )


def figures(stage: Metrics, floating: Metrics | None) -> dict[str, float]:
    """Returns a stage's figures by the names of a baseline's rows; `floating`: float's metrics, None for float."""
    found: dict[str, float] = {}
    task = task_in(stage)
    if has_labels(stage):
        found[task.score] = stage[task.score]
    if floating is not None:
        found["share_of_float"] = share_of_float(stage, floating)
    found |= {name: stage[name] for name in (task.changed, "logit_sqnr") if stage.get(name) is not None}
    return found | {f"{task.class_title} {name}": score for name, score in known_classes(stage).items()}


def judge(
    baseline: Baseline,
    measured: Mapping[str, Mapping[str, float]],
    broken: Mapping[str, str],
    absent: Mapping[str, str],
) -> tuple[Row, ...]:
    """Returns every row of the baseline with its verdict.

    Args:
        baseline: what is expected.
        measured: `figures` by stage.
        broken: stages that failed, with the reason: their rows fell.
        absent: stages that this machine can't run, with the reason: their rows aren't run.

    Returns:
        The rows in the baseline's order; a broken stage without rows has one.
    """
    rows = [row for title in baseline.stages for row in _stage(title, baseline, measured, broken, absent)]
    unexpected = [title for title in broken if title not in baseline.stages]
    return (*rows, *(Row(title, "runs", Expected(1, 0), None, FELL, broken[title]) for title in unexpected))


def _stage(
    title: str,
    baseline: Baseline,
    measured: Mapping[str, Mapping[str, float]],
    broken: Mapping[str, str],
    absent: Mapping[str, str],
) -> Iterator[Row]:
    found = measured.get(title, {})
    for name, expected in baseline.stages[title].items():
        value = found.get(name)
        if value is not None:
            yield Row(title, name, expected, value, HOLDS if expected.holds(name, value) else FELL)
        elif title in absent:
            yield Row(title, name, expected, None, NOT_RUN, absent[title])
        elif title in measured and name == "logit_sqnr":  # equal logits
            yield Row(title, name, expected, None, HOLDS, "equal")
        else:
            yield Row(title, name, expected, None, FELL, broken.get(title, "not measured"))


def regression_table(rows: Sequence[Row]) -> Table:
    """One row of the baseline a line; of a stage that wasn't run the first alone."""
    table = slim_table(COLUMNS, left=("stage", "figure", "", "source"), wraps=("source",), caption=CAPTION)
    silent: set[str] = set()
    for row in rows:
        if row.stage not in silent:
            expected, slack = shown(row.name, row.expected.value), shown(row.name, row.expected.tolerance)
            measured = row.why or shown(row.name, row.measured)
            table.add_row(row.stage, row.name, expected, slack, measured, row.verdict, row.expected.source)
        if row.verdict == NOT_RUN:
            silent.add(row.stage)
    return table


def shown(name: str, value: float | None) -> str:
    """A figure as tables have it; "" for none."""
    if value is None:
        return ""
    return (
        f"{value:.1f}"
        if name in _DECIBELS
        else f"{100 * value:.3f}"
        if name in HIGHER_IS_WORSE
        else f"{100 * value:.2f}"
    )


def junit(name: str, rows: Sequence[Row]) -> str:
    """Returns the rows as JUnit XML: a test suite a stage, a test case a row."""
    root = ElementTree.Element("testsuites", {"name": f"regress {name}", **_counts(rows)})
    for title in dict.fromkeys(row.stage for row in rows):
        own = [row for row in rows if row.stage == title]
        suite = ElementTree.SubElement(root, "testsuite", {"name": title, **_counts(own)})
        for row in own:
            case = ElementTree.SubElement(suite, "testcase", classname=f"{name}.{title}", name=row.name)
            if row.verdict == FELL:
                ElementTree.SubElement(case, "failure", message=row.line)
            elif row.verdict == NOT_RUN:
                ElementTree.SubElement(case, "skipped", message=row.why)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _counts(rows: Sequence[Row]) -> dict[str, str]:
    verdicts = [row.verdict for row in rows]
    counts = {"tests": len(rows), "failures": verdicts.count(FELL), "errors": 0, "skipped": verdicts.count(NOT_RUN)}
    return {name: str(count) for name, count in counts.items()}
