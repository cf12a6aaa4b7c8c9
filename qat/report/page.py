"""report.html: one page without other files, to read on a screen or on paper."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from qat.data.descriptor import ClassSet
from qat.evaluation.metrics import passes
from qat.evaluation.table import verdict
from qat.evaluation.tasks import task_in
from qat.html import templates
from qat.invocation import command
from qat.report.parts.layers import LayerChart, LayerRow, layer_chart, layer_rows, sensitivity_table, worst
from qat.report.parts.provenance import artefact_files, missing_files, origins, refusals, rewrites
from qat.report.parts.ranges import grid_rows, range_panels
from qat.report.parts.stages import class_rows, headline_stage, stage_panels, stage_rows, tiles
from qat.report.parts.threads import thread_plot
from qat.report.parts.video import video_panels
from qat.report.pictures import DrawnPicture, PictureLayer
from qat.report.sources import FOLDERS, Sources

CONTENTS = (
    *(("stages", "Stages"), ("classes", "Classes"), ("pictures", "Pictures"), ("video", "Video")),
    *(
        ("layers", "Layers"),
        ("sensitivity", "Sensitivity"),
        ("ranges", "Ranges"),
        ("rewrites", "Rewrites"),
        ("files", "Files"),
    ),
    ("origins", "Origins"),
)


@dataclass(frozen=True)
class WorstPictures:
    """The worst images of `stage` and the share changed of every image; `why` there are none, and what makes them."""

    stage: str = ""
    images: tuple[DrawnPicture, ...] = ()
    shares: tuple[float, ...] = ()
    why: str = ""
    command: str = ""

    @property
    def median(self) -> float:
        """Share changed of the image in the middle."""
        return statistics.median(self.shares)

    @property
    def layers(self) -> Sequence[PictureLayer]:
        """What can be laid over each other: the layers of the image that has most."""
        return max((each.layers for each in self.images), key=len)


@dataclass(frozen=True)
class LayerPair:
    """Layer errors of a stage against another."""

    title: str
    chart: LayerChart
    lines: list[LayerRow]


def page(sources: Sources, pictures: WorstPictures, classes: ClassSet, config_path: str, made_by: str) -> str:
    """The report as HTML, which loads no other file. `config_path`, `made_by`: for the commands it names."""
    colours = {name: f"#{bytes(colour).hex()}" for name, colour in zip(classes.names, classes.palette, strict=True)}
    titles, classes_of_stages = class_rows(sources.metrics, colours)
    return (
        templates("qat.report")
        .get_template("report.html.j2")
        .render(
            sources=sources,
            task=task_in(sources.metrics["float"]),
            config_path=config_path,
            command=command,
            again=again,
            made_by=made_by,
            contents=CONTENTS,
            headline=headline(sources),
            tiles=tiles(sources),
            panels=stage_panels(sources),
            rows=stage_rows(sources),
            stage_titles=titles,
            class_lines=classes_of_stages,
            colours=colours,
            pictures=pictures,
            videos=video_panels(sources.videos),
            **_layer_parts(sources),
            rewrites=rewrites(sources.calibration),
            refusals=refusals(sources.calibration),
            files=artefact_files(sources),
            missing=missing_files(sources),
            origins=origins(sources),
            threads=thread_plot(sources.threads),
        )
    )


def headline(sources: Sources) -> str:
    """What the last stage that isn't a file keeps of float; below the gate also what to do about it."""
    name, metrics = headline_stage(sources.metrics), sources.metrics
    text = verdict(name, metrics, sources.gate).replace(" %", "%").replace("%", "\N{NO-BREAK SPACE}%")
    good = name != "float" and passes(metrics[name], metrics["float"], sources.gate)
    return text.partition("; ")[0] if good else text


def again(name: str, config_path: str) -> str:
    """The command that makes a stage or folder anew."""
    kind, _, runtime = name.partition(" ")
    return command(kind, config_path) if kind in FOLDERS else command("eval", config_path, stage=kind, runtime=runtime)


def _layer_parts(sources: Sources) -> dict[str, Any]:
    errors, graph = sources.debug["layers"], sources.graph
    pairs = [
        LayerPair(
            f"{name} against {pair['against']}", layer_chart(pair["layers"], graph), layer_rows(pair["layers"], graph)
        )
        for name, pair in errors.get("pairs", {}).items()
    ]
    order = [layer["name"] for layer in worst(errors["pairs"]["calib"]["layers"])] if pairs else []
    return {
        "pairs": pairs,
        "layer_images": errors.get("images"),
        "sensitivity": sensitivity_table(sources.debug["sensitivity"], graph),
        "advice": sources.debug["advice"].get("steps", []),
        "histograms": range_panels(sources.debug["ranges"].get("layers", []), order, graph),
        "grids": grid_rows(sources.qparams, graph),
    }
