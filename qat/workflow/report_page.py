"""report.html: one self-contained page of everything that the stages left on disk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from yacs.config import CfgNode

from qat.data import build_dataset, class_set, data_loader
from qat.data.image_io import rgb_view
from qat.data.transforms import InferenceTransform
from qat.errors import UserError
from qat.evaluation.metrics import MEASURED_ON
from qat.files import write_text
from qat.invocation import Invocation, command
from qat.report.drawn_predictions import ComparedPrediction, draw_prediction, most_changed
from qat.report.page import WorstPictures, headline, page
from qat.report.pictures import draw, worst_images
from qat.report.sources import Sources, read_sources
from qat.workflow.evaluation import announce, measured_on
from qat.workflow.load import load_stage
from qat.workflow.measuring import evaluated_names, float_logits, stage_fit, to_input
from qat.workflow.network import task_of
from qat.workflow.progress import Progress, counter, silent
from qat.workflow.run import folders_of, invocation_of_stage, run_of
from qat.workflow.settings import data_spec, inference_transform


@dataclass(frozen=True)
class ReportPage:
    """The page, its headline, the stages in it, and the stale ones, which are left out."""

    path: Path
    bytes: int
    headline: str
    stages: tuple[str, ...]
    stale: tuple[str, ...]


def report(
    config: CfgNode,
    progress: Progress = silent,
    *,
    stage: str = "int_infer",
    images: int = 6,
    invocation: Invocation | None = None,
) -> ReportPage:
    """Write report.html from what the stages left on disk; only the pictures' classes are computed.

    Args:
        config: the run's config.
        progress: called with the pictures done, the number of pictures, and a text.
        stage: the stage whose pictures are shown beside float's: calib, qat, int_infer or compiled.
        images: how many pictures are shown, those that changed most; 0 for none.
        invocation: the config and options that the page's commands repeat; by default stage float's config.yaml.

    Returns:
        The page's path and size, its headline and its stages.

    Raises:
        UserError: if `images` is negative, if float isn't evaluated, a file is damaged, or the stage can't be loaded.
    """
    if images < 0:
        raise UserError(f"--images {images}; expected 0 or more")
    invocation = invocation or invocation_of_stage(config, "float")
    title = f"{config.NAME} on {config.DATASET.DATASET}"
    sources = read_sources(run_of(config), title, config.dump(), config.QUANT.GATE)
    pictures = _pictures(config, sources, invocation.config, stage, images, progress)
    made_by = invocation.command("report", "--stage", stage, "--images", str(images))
    path = folders_of(config).stage("report") / "report.html"
    write_text(path, page(sources, pictures, class_set(data_spec(config)), invocation.config, made_by))
    return ReportPage(path, path.stat().st_size, headline(sources), tuple(sources.metrics), sources.stale)


def _pictures(
    config: CfgNode, sources: Sources, path: str, stage: str, count: int, progress: Progress
) -> WorstPictures:
    """Runs `stage` over the val list and draws the `count` images that changed most, or says why it can't."""
    title = folders_of(config).title(stage)
    if count == 0:
        return WorstPictures(why="Left out by --images 0.", command=command("report", path))
    if title not in sources.metrics:
        line = command("eval", path, stage=stage)
        return WorstPictures(why=f"Stage {title} isn't evaluated yet.", command=line)
    dataset = build_dataset(data_spec(config), "val", inference_transform(config))
    names, store = evaluated_names(config, dataset), float_logits(config, dataset)
    recorded = sources.metrics[title].get(MEASURED_ON)  # an older version's figures don't say it
    if recorded and (difference := measured_on(config, dataset).difference(recorded)):
        line = command("eval", path, stage=stage)
        return WorstPictures(why=f"The stage was measured on other pictures or labels ({difference}).", command=line)
    if not store.holds(names):
        line = command("eval", path, stage="float")
        return WorstPictures(why="float's logits of these pictures aren't stored.", command=line)
    announce(config, stage)
    model, task, classes = load_stage(config, stage), task_of(config), class_set(data_spec(config))
    batches = data_loader(dataset, config.TEST.BATCH_SIZE_PER_GPU, config.WORKERS, indices=range(len(names)))
    run: dict[str, Any] = {
        "to_input": to_input(config, stage),
        "reference": store.read,
        "align_corners": config.MODEL.ALIGN_CORNERS,
        "fit": stage_fit(config, stage),
        "progress": counter(progress, len(names), f"pictures of {title}"),
    }
    if task.maps:
        worst, shares = worst_images(model, batches, count, **run)
        return WorstPictures(title, tuple(draw(one, classes.palette, title) for one in worst), tuple(shares))
    if task.drawing is None:
        return WorstPictures(why=f"Pictures of {task.name} aren't drawn.", command="")
    changed, shares = most_changed(task, model, batches, count, **run)
    drawn = (draw_prediction(task, one, classes, title) for one in _as_they_lie(config, changed))
    return WorstPictures(title, tuple(drawn), tuple(shares))


def _as_they_lie(config: CfgNode, changed: Sequence[ComparedPrediction]) -> Iterator[ComparedPrediction]:
    """With each picture's own pixels, in which its boxes are, in place of those that the stage sees (TEST.FIT)."""
    dataset = build_dataset(data_spec(config), "val", InferenceTransform())
    for one in changed:
        image = dataset[dataset.names.index(one.name)]["image"]
        yield replace(one, image=rgb_view(image.numpy()))
