"""report.html: one page that holds all it needs, to read on a screen or on paper."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from qat.compile.templates import templates
from qat.data.labels import ClassSet
from qat.evaluation.metrics import passes
from qat.evaluation.table import verdict
from qat.report.parts import artefact_table, rewrite_list
from qat.report.parts.class_table import class_lines
from qat.report.parts.grids import grids
from qat.report.parts.layer_chart import Chart, layer_chart
from qat.report.parts.layer_table import Line, layer_lines, worst
from qat.report.parts.origins import origins
from qat.report.parts.range_panels import histograms
from qat.report.parts.sensitivity_table import sensitivity_table
from qat.report.parts.stage_table import stage_panels, stage_rows
from qat.report.parts.tiles import headline_stage, tiles
from qat.report.pictures import Layer, Seen
from qat.report.sources import FOLDERS, Sources

CONTENTS = (
    *(("stages", "Stages"), ("classes", "Classes"), ("pictures", "Pictures"), ("layers", "Layers")),
    *(("sensitivity", "Sensitivity"), ("ranges", "Ranges"), ("rewrites", "Rewrites"), ("files", "Files")),
    ("origins", "Origins"),
)


@dataclass(frozen=True)
class Pictures:
    """The worst images of `stage` and the share changed of every image; `why` there are none, and what makes them."""

    stage: str = ""
    seen: tuple[Seen, ...] = ()
    shares: tuple[float, ...] = ()
    why: str = ""
    target: str = ""

    @property
    def median(self) -> float:
        """Share changed of the image in the middle."""
        return statistics.median(self.shares)

    @property
    def layers(self) -> Sequence[Layer]:
        """What can be laid over each other: the layers of the image that has most."""
        return max((each.layers for each in self.seen), key=len)


@dataclass(frozen=True)
class Pair:
    """Layer errors of a stage against another."""

    title: str
    chart: Chart
    lines: list[Line]


def page(sources: Sources, pictures: Pictures, classes: ClassSet, config_path: str, made_by: str) -> str:
    """The report as HTML, without anything from elsewhere. `config_path`, `made_by`: for the commands it names."""
    colours = {name: f"#{bytes(colour).hex()}" for name, colour in zip(classes.names, classes.palette, strict=True)}
    titles, lines = class_lines(sources.metrics, colours)
    return (
        templates("qat.report")
        .get_template("report.html.j2")
        .render(
            sources=sources,
            config_path=config_path,
            again=again,
            made_by=made_by,
            contents=CONTENTS,
            headline=headline(sources),
            tiles=tiles(sources),
            panels=stage_panels(sources),
            rows=stage_rows(sources),
            stage_titles=titles,
            class_lines=lines,
            colours=colours,
            pictures=pictures,
            **_layer_parts(sources),
            rewrites=rewrite_list.rewrites(sources.made.get("rewrites", rewrite_list.NONE)),
            refusals=rewrite_list.refusals(sources.made.get("rewrites", rewrite_list.NONE)),
            files=artefact_table.files(sources),
            missing=artefact_table.missing(sources),
            origins=origins(sources),
        )
    )


def headline(sources: Sources) -> str:
    """What the last stage that isn't a file keeps of float; below the gate also what to do about it."""
    name, metrics = headline_stage(sources.metrics), sources.metrics
    text = verdict(name, metrics, sources.gate).replace("%", "\N{NO-BREAK SPACE}%")
    good = name != "float" and passes(metrics[name], metrics["float"], sources.gate)
    return text.partition("; ")[0] if good else text


def again(name: str) -> str:
    """The make target, with its arguments, that makes a stage or folder anew."""
    kind, _, runtime = name.partition(" ")
    if kind == "compiled":
        return f"eval STAGE=compiled RUNTIME={runtime}"
    return kind if kind in FOLDERS else f"eval STAGE={kind}"


def _layer_parts(sources: Sources) -> dict[str, Any]:
    found, graph = sources.debug["layers"], sources.graph
    pairs = [
        Pair(
            f"{name} against {pair['against']}", layer_chart(pair["layers"], graph), layer_lines(pair["layers"], graph)
        )
        for name, pair in found.get("pairs", {}).items()
    ]
    order = [layer["name"] for layer in worst(found["pairs"]["calib"]["layers"])] if pairs else []
    return {
        "pairs": pairs,
        "layer_images": found.get("images"),
        "sensitivity": sensitivity_table(sources.debug["sensitivity"], graph),
        "advice": sources.debug["advice"].get("steps", []),
        "histograms": histograms(sources.debug["ranges"].get("layers", []), order, graph),
        "grids": grids(sources.qparams, graph),
    }
