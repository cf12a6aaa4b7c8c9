"""The measurements as JSON files beside the network's picture, and as short tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from qat.analysis.layer_error import above, worst_first
from qat.analysis.qconfig import as_text
from qat.compile.picture import write_picture
from qat.evaluation.tasks import task_in
from qat.files import write_json, write_text
from qat.program.steps import Program
from qat.tables import slim_table


@dataclass(frozen=True)
class Measurements:
    """The contents of the JSON files; `sensitivity` is None where it wasn't measured."""

    layers: dict[str, Any]
    ranges: dict[str, Any]
    sensitivity: dict[str, Any] | None
    qconfig: dict[str, Any]


FILES = ("layers", "ranges", "sensitivity", "qconfig")


def write_measurements(
    folder: Path, measured: Measurements, advice: Mapping[str, Any], program: Program, title: str
) -> None:
    """Fill `folder`: one JSON file for each of FILES (no sensitivity where it wasn't measured), advice.json, pictures.

    In graph.html `#node-<layer>` selects a layer and shows its errors. UserError where the folder can't be written.
    """
    for name in FILES:
        if getattr(measured, name) is not None:
            write_json(folder / f"{name}.json", getattr(measured, name))
    write_json(folder / "advice.json", advice)
    write_text(folder / "qconfig_info.txt", as_text(measured.qconfig))
    write_picture(program, folder, title, errors_of(measured.layers))


def errors_of(layers: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Layer -> measure -> value, as the picture shows them: calib against float."""
    return {row["name"]: _measures(row) for row in layers["pairs"]["calib"]["layers"]}


def _measures(row: dict[str, Any]) -> dict[str, float]:
    titles = {"sqnr_db": "SQNR (dB)", "cosine": "cosine", "max_steps": "max in scale steps"}
    kinds = ("isolated", "accumulated")
    values = {f"{kind} {title}": row[kind][key] for kind in kinds for key, title in titles.items()}
    return {title: value for title, value in values.items() if value is not None}


SHOWN = 10  # rows of a table
WORDS = ("layer", "source", "check", "what")  # columns that aren't numbers
Row = Mapping[str, Any]


def _table(title: str, *columns: str, caption: str = "") -> Table:
    return slim_table(columns, left=WORDS, wraps=columns, title=title, caption=caption or None)


def _number(value: float | None, digits: int = 1, factor: float = 1.0) -> str:
    return "" if value is None else f"{factor * value:.{digits}f}"


def isolated_table(layers: Row) -> Table:
    """The layers whose own rounding is furthest from the best possible."""
    caption = (
        "dB; above best: the layer's squared error beside that of the best int8 grid for it, 12 dB = scale off by 4x"
    )
    title = f"Isolated error, calib against float, {layers['images']} pictures: worst first"
    table = _table(title, "layer", "above\nbest", "SQNR", "cosine", "max\nsteps", "source", caption=caption)
    for row in worst_first(layers["pairs"]["calib"]["layers"])[:SHOWN]:
        alone = row["isolated"]
        table.add_row(row["name"], _number(above(row)), *_errors(alone), row["source"])
    return table


def accumulated_table(layers: Row, pair: str) -> Table:
    """The layers that are furthest from `pair`'s reference as the network runs."""
    content = layers["pairs"][pair]
    measured = [row for row in content["layers"] if row["accumulated"]["sqnr_db"] is not None]
    table = _table(
        f"Accumulated error, {pair} against {content['against']}: worst first",
        *("layer", "SQNR", "cosine", "max\nsteps", "isolated\nSQNR", "source"),
    )
    for row in sorted(measured, key=lambda row: row["accumulated"]["sqnr_db"])[:SHOWN]:
        alone = row["isolated"]
        shown = "equal" if alone["relative_l2"] == 0 else _number(alone["sqnr_db"])
        table.add_row(row["name"], *_errors(row["accumulated"]), shown, row["source"])
    return table


def _errors(error: Row) -> list[str]:
    return [_number(error["sqnr_db"]), _number(error["cosine"], 5), _number(error["max_steps"])]


def groups_table(sensitivity: Row) -> Table:
    """What weights cost, what activations cost."""
    task, title = task_in(sensitivity["float"]), f"Rounded alone, {sensitivity['images']} pictures"
    table = _table(title, "what", task.score_title, "SQNR", f"{task.changed_title} %")
    for name, one in {"float": sensitivity["float"], **sensitivity["groups"]}.items():
        table.add_row(name, *_scores(one))
    return table


def sensitivity_table(sensitivity: Row) -> Table:
    """The layers that give most back in float, by SQNR, with their rank by the score."""
    ranks, by_name = sensitivity["ranks"]["alone_float"], {row["name"]: row for row in sensitivity["layers"]}
    task = task_in(sensitivity["float"])
    by_score, title = {name: index + 1 for index, name in enumerate(ranks[task.score] or ())}, task.score_title
    table = _table(
        "Sensitivity: what the network gains with the layer in float, and loses to it alone",
        *("layer", "float:\nSQNR", title, f"rank by\n{title}", "int8:\nSQNR", title, "MMACs"),
    )
    for name in ranks["sqnr_db"][:SHOWN]:
        gain, cost = by_name[name]["alone_float"], by_name[name]["alone_quantised"]
        rank = str(by_score.get(name, ""))
        macs = _number(by_name[name]["macs"], 1, 1e-6)
        table.add_row(name, *_scores(gain)[1::-1], rank, *_scores(cost)[1::-1], macs)
    return table


def _scores(one: Row) -> list[str]:
    task = task_in(one)
    return [_number(one[task.score], 2, 100), _number(one["sqnr_db"], 2), _number(one[task.changed], 3, 100)]


def ranges_table(ranges: Row) -> Table:
    """The layers that clip most, with their outlier channels."""
    table = _table(
        "Ranges: what is clipped most",
        "layer",
        "float\nmin",
        "float\nmax",
        "grid\nlow",
        "grid\nhigh",
        "clipped\n%",
        "outlier\nchannels",
    )
    rounded = [row for row in ranges["layers"] if row["activation"]]
    for row in sorted(rounded, key=lambda row: -row["activation"]["saturated"])[:SHOWN]:
        one = row["activation"]
        spans = [_number(one[key], 3) for key in ("min", "max", "low", "high")]
        table.add_row(row["name"], *spans, _number(one["saturated"], 4, 100), str(len(row["outlier_channels"])))
    return table


def items_table(items: Sequence[Row]) -> Table:
    """The qconfig check's items, those that say the same together."""
    table = _table(f"qconfig check: {len(items)} items to look at", "check", "count", "layer", "source", "what")
    same: dict[tuple[str, str], list[Row]] = {}
    for one in items:
        same.setdefault((one["check"], one["text"]), []).append(one)
    for (check, text), places in same.items():
        first = places[0]
        table.add_row(check, str(len(places)), first["layer"] or first["module"], first["source"], text)
    return table


def all_tables(measured: Measurements) -> list[Table]:
    """The tables of everything that was measured, in the order to read them."""
    layers, cost = measured.layers, measured.sensitivity
    of_cost = [groups_table(cost), sensitivity_table(cost)] if cost else []
    errors = [accumulated_table(layers, pair) for pair in layers["pairs"]]
    tail = items_table(measured.qconfig["items"])
    return [isolated_table(layers), *errors, ranges_table(measured.ranges), *of_cost, tail]
