"""The network as an SVG picture, and as a page with pan, zoom, search and every step's facts beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

from markupsafe import Markup

from qat.compile.picture.cells import readers_of
from qat.compile.picture.labels import DTYPES, cut, dtype_of, facts_of, label_of, short, times
from qat.compile.picture.layout import Box, Layout, Point, layout
from qat.files import write_text
from qat.html import templates
from qat.program.steps import Program, Step
from qat.stages.folders import GRAPH

HEADER = 84  # above the lanes: title and legend
MARGIN = 24
Errors = Mapping[str, Mapping[str, float]]
CORNER = 6  # radius of a bend


def write_picture(program: Program, folder: Path, title: str, errors: Errors | None = None) -> None:
    """Write graph.svg and graph.html into `folder`, each whole or not at all.

    `errors`: step name -> measure -> value, such as {"conv1_0": {"sqnr_db": 31.2}}; for the steps that were measured.
    UserError when the folder can't be written.
    """
    write_text(folder / "graph.svg", svg_of(program, title, errors))
    write_text(folder / GRAPH, html_of(program, title, errors))


def svg_of(program: Program, title: str, errors: Errors | None = None) -> str:
    """The picture: lanes, connections, one box a step with its facts as tooltip, a legend. Same program, same text."""
    placed = layout(program)
    types = {step.name: dtype_of(step, program) for step in program.steps}
    return (
        templates("qat.compile.picture")
        .get_template("graph.svg.j2")
        .render(
            title=title,
            summary=summary_of(program),
            width=max(placed.width, 640) + 2 * MARGIN,
            height=placed.height + HEADER + 2 * MARGIN,
            left=MARGIN + max(0, 640 - placed.width) / 2,
            top=MARGIN + HEADER,
            lanes=placed.lanes,
            links=_links(placed, types),
            nodes=[
                _node(step, program, placed.boxes[step.name], (errors or {}).get(step.name)) for step in program.steps
            ],
            legend=_legend([key for key in DTYPES if key in types.values()]),
        )
    )


def summary_of(program: Program) -> str:
    """The network in one line: steps, multiply-accumulates, sizes of input and outputs."""
    inputs = ", ".join(times(step.shape) for step in program.steps if step.op == "input")
    outputs = ", ".join(times(program[name].shape) for name in program.outputs)
    return f"{len(program.steps)} steps · {short(program.macs)}MACs · {inputs} → {outputs}"


def _legend(dtypes: Sequence[str]) -> list[dict[str, Any]]:
    """Swatches side by side: the types that occur, what the shapes say, the bar of multiply-accumulates."""
    entries = [(f"box {key}", DTYPES[key]) for key in dtypes]
    entries += [("box plain", "with weights"), ("box plain round", "without"), ("box plain thick", "output")]
    entries += [("bar", "multiply-accumulates, full width: the heaviest step")]
    starts = accumulate((50 + 6 * len(text) for _, text in entries), initial=0)
    return [{"look": look, "text": text, "x": x} for (look, text), x in zip(entries, starts, strict=False)]


def _links(placed: Layout, types: Mapping[str, str]) -> list[dict[str, str]]:
    return [
        {"source": source, "target": target, "dtype": types[source], "path": path_of(corners)}
        for (source, target), corners in placed.links.items()
    ]


def _node(step: Step, program: Program, box: Box, error: Mapping[str, float] | None) -> dict[str, Any]:
    heaviest = max(other.macs for other in program.steps)
    facts = facts_of(step, program, error)
    return {
        "name": step.name,
        "dtype": dtype_of(step, program),
        "box": box,
        "heavy": step.weight is not None,
        "output": step.name in program.outputs,
        "label": cut(label_of(step), 23),
        "shape": times(step.shape[1:]),
        "macs": short(step.macs) if step.macs else "",
        "module": cut(step.module, 27 if step.weight else 21 - len(times(step.shape[1:]))),
        "share": step.macs / heaviest if heaviest else 0,
        "tooltip": "\n".join([step.name, *(f"{title}: {text}" for title, text in facts.items())]),
    }


def html_of(program: Program, title: str, errors: Errors | None = None) -> str:
    """One self-contained page. `#node-<name>` after its address selects a step."""
    readers = readers_of(program)
    steps = {
        step.name: {
            "facts": facts_of(step, program, (errors or {}).get(step.name)),
            "inputs": list(dict.fromkeys(step.inputs)),
            "readers": readers[step.name],
        }
        for step in program.steps
    }
    picture = Markup(svg_of(program, title, errors))
    return (
        templates("qat.compile.picture").get_template("graph.html.j2").render(title=title, picture=picture, steps=steps)
    )


def path_of(corners: Sequence[Point]) -> str:
    """SVG path data along `corners` (upright and level parts in turn) with round bends.

    >>> path_of([(0, 0), (0, 20), (30, 20), (30, 40)])
    'M0 0L0 14Q0 20 6 20L24 20Q30 20 30 26L30 40'
    """
    path = f"M{_xy(corners[0])}"
    for before, corner, after in zip(corners, corners[1:], corners[2:], strict=False):
        radius = min(CORNER, _length(before, corner) / 2, _length(corner, after) / 2)
        path += f"L{_xy(_towards(corner, before, radius))}Q{_xy(corner)} {_xy(_towards(corner, after, radius))}"
    return f"{path}L{_xy(corners[-1])}"


def _length(one: Point, other: Point) -> float:
    return abs(one[0] - other[0]) + abs(one[1] - other[1])


def _towards(start: Point, end: Point, distance: float) -> Point:
    share = distance / (_length(start, end) or 1)
    return start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share


def _xy(point: Point) -> str:
    return f"{point[0]:.5g} {point[1]:.5g}"
