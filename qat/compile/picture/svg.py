"""The network as an SVG picture, and as a page with pan, zoom, search and every step's facts beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

from markupsafe import Markup

from qat.compile.picture.cells import readers_of
from qat.compile.picture.layout import Box, Layout, Point, layout
from qat.files import write_text
from qat.html import templates
from qat.program.steps import Program, Step
from qat.stages.folders import GRAPH

Errors = Mapping[str, Mapping[str, float]]  # of a step: measure -> value

HEADER = 84  # above the lanes: title and legend
MARGIN = 24
CORNER = 6  # radius of a bend
SHORT = {
    "conv2d": "conv",
    "conv_transpose2d": "deconv",
    "avg_pool2d": "avg pool",
    "max_pool2d": "max pool",
    "adaptive_avg_pool2d": "avg pool",
    "batch_norm": "batch norm",
    "interpolate": "resize",
    "scale_shift": "x",
}
DTYPES = {
    "int8": "int8",
    "float_out": "int8 in, float out",
    "float": "float",
}  # what the legend says of a step's arithmetic


def dtype_of(step: Step, program: Program) -> str:
    """`int8`: its output is on a grid; `float_out`: it reads or holds integers and gives floats; else `float`."""
    if step.quant:
        return "int8"
    integers = any(program[name].quant for name in step.inputs) or (step.weight and step.weight.scales is not None)
    return "float_out" if integers else "float"


def label_of(step: Step) -> str:
    """The operation in a few words.

    >>> label_of(Step("a", "max_pool2d", (), (1, 3, 8, 8), attributes={"kernel_size": 3, "stride": 2}, relu=True))
    'max pool 3×3 /2 + relu'
    """
    return " ".join(
        [SHORT.get(step.op, step.op.replace("_", " ")), *_settings(step), *(["+ relu"] if step.relu else [])]
    )


def _settings(step: Step) -> list[str]:
    attributes = step.attributes
    if step.op == "scale_shift":
        return [f"× {attributes['scale']:.3g} + {attributes['shift']:.3g}"]
    values = step.weight.values if step.weight else None
    kernel = values.shape[2:] if values is not None and values.ndim == 4 else attributes.get("kernel_size")
    stride, dilation, groups = (attributes.get(key) for key in ("stride", "dilation", "groups"))
    return [
        *([times(_pair(kernel))] if kernel else []),
        *([f"/{_one(stride)}"] if kernel and stride and set(_pair(stride)) != {1} else []),
        *([f"d{_one(dilation)}"] if dilation and set(_pair(dilation)) != {1} else []),
        *([f"g{groups}"] if groups and groups != 1 else []),
    ]


def _pair(value: Any) -> tuple[int, ...]:
    return tuple(value) if isinstance(value, tuple | list) else (value, value)


def _one(value: Any) -> str:
    numbers = _pair(value)
    return str(numbers[0]) if len(set(numbers)) == 1 else times(numbers)


def times(numbers: Any) -> str:
    """(64, 45, 60) as `64×45×60`."""
    return "×".join(map(str, numbers))


def short(number: float) -> str:
    """A count with a unit.

    >>> short(99532800), short(5529600), short(640), short(0)
    ('99.5 M', '5.53 M', '640', '0')
    """
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return f"{number:.3g}"


def cut(text: str, characters: int) -> str:
    """`text` with its middle left out where it is longer than `characters`.

    >>> cut("layer1.0.conv1", 9)
    'laye…onv1'
    """
    if len(text) <= characters:
        return text
    half = max(1, (characters - 1) // 2)
    return f"{text[: characters - 1 - half]}…{text[-half:]}"


def facts_of(step: Step, program: Program, error: Mapping[str, float] | None = None) -> dict[str, str]:
    """Title -> text of everything known about a step, in the order to show it; `error`: measure -> value."""
    facts = {
        "Operation": label_of(step),
        "Module": step.module,
        "Shape": times(step.shape),
        "Type": DTYPES[dtype_of(step, program)],
    }
    if step.quant:
        low, high = step.quant.range
        facts |= {
            "Scale": f"{step.quant.scale:.6g}",
            "Zero point": str(step.quant.zero_point),
            "Range": f"{low:.4g} … {high:.4g}",
        }
    if step.macs:
        facts["MACs"] = f"{short(step.macs)} ({step.macs / program.macs:.1%} of {short(program.macs)})"
    if step.weight:
        facts["Weights"] = _weight(step)
    facts |= {_error_title(key): f"{value:.4g}" for key, value in (error or {}).items()}
    facts |= {key: str(value) for key, value in step.attributes.items() if value is not None}
    return {title: text for title, text in (facts | {"Source": step.source}).items() if text}


def _weight(step: Step) -> str:
    assert step.weight
    values, scales = step.weight.values, step.weight.scales
    kind = "float32" if scales is None else f"int8, {scales.size} scale{'s' if scales.size > 1 else ''}"
    return f"{times(values.shape)} = {short(values.size)} {kind}{'' if step.weight.bias is None else ', with bias'}"


def _error_title(key: str) -> str:
    """A measure's key with its unit in brackets: `sqnr_db` is `Error: SQNR (dB)`."""
    return "Error: " + {"sqnr_db": "SQNR (dB)"}.get(key, key.replace("_", " "))


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
    heaviest = max(each.macs for each in program.steps)
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


def _length(start: Point, end: Point) -> float:
    return abs(start[0] - end[0]) + abs(start[1] - end[1])


def _towards(start: Point, end: Point, distance: float) -> Point:
    share = distance / (_length(start, end) or 1)
    return start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share


def _xy(point: Point) -> str:
    return f"{point[0]:.5g} {point[1]:.5g}"
