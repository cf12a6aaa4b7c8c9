"""Show what a stage predicts of pictures: beside float, as an overlay, plain colours or class ids."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from torch import Tensor
from yacs.config import CfgNode

from qat.data import class_set
from qat.data.image_io import read_image, rgb_view
from qat.data.listing import find_images
from qat.distributed import Group, current
from qat.errors import UserError, nearest
from qat.evaluation.tasks import Task
from qat.evaluation.tasks.detection import DETECTION
from qat.files import atomic_path
from qat.invocation import command
from qat.report import overlay
from qat.report.class_png import class_png
from qat.report.mode_names import COLOUR, COMPARE, MASK, MODES
from qat.report.modes import Painter
from qat.report.overlay import Picture
from qat.stages.folders import DUMP
from qat.video.steps import Steps
from qat.workflow.evaluation import announce
from qat.workflow.found_boxes import FOUND, FoundBoxes, write_found
from qat.workflow.network import channels_of, task_of
from qat.workflow.overlay_files import overlay_files
from qat.workflow.persons import Persons, persons_in
from qat.workflow.predictor import Predictor, Saw, TaskDrawer, shown_stages
from qat.workflow.progress import Progress, silent
from qat.workflow.run import folders_of
from qat.workflow.settings import data_spec
from qat.workflow.sharing import check_shared_folder, shared_counter

Classify = Callable[[Picture], Picture]
Write = Callable[[Path, Path, Picture], None]  # the file to write, the picture's file, the picture


@dataclass(frozen=True)
class Inference:
    """The stage, the output folder, the written pictures in the order of the input, and the time of each step.

    `boxes`: of a detector, the file of what it found, which a pose network's `boxes` takes.
    """

    stage: str
    folder: Path
    pictures: tuple[Path, ...]
    steps: Steps = field(default_factory=Steps)
    boxes: Path | None = None


def infer(
    config: CfgNode,
    progress: Progress = silent,
    *,
    source: str | Path,
    stage: str = "float",
    output: str | Path | None = None,
    mode: str = COMPARE,
    logits: bool = False,
    boxes: str | Path | None = None,
) -> Inference:
    """Write what a stage predicts of each picture, under the picture's name; subfolders of the common parent are kept.

    No picture is overwritten, and nothing is written outside the folder (`qat.workflow.overlay_files`).

    Args:
        config: the run's config.
        progress: called with the pictures done, the number of pictures, and a text.
        source: a picture, a folder of pictures, a pattern such as "few/*.png", or a list file.
        stage: float, calib, qat, int_infer or compiled.
        output: the folder to write to; by default infer/, or for logits dump/, in the stage's folder.
        mode: compare (float, the stage and what changed side by side), overlay, colour or mask (class ids).
        logits: write the stage's raw logits, float32 (classes, h, w), as .npy in place of pictures.
        boxes: of a pose network, a file that says where persons are (`qat.data.person_boxes`); by default a picture is
            one person.

    Returns:
        The folder, the files in it and the time that each step took.

    Raises:
        UserError: if `source` holds no picture, `boxes` can't be used, a picture can't be read or would be overwritten,
            the stage doesn't exist or is stale, or the task has no such mode.
    """
    if not str(source):
        example = command("infer", stage="int_infer", input="picture-or-folder")
        raise UserError(f"no input picture; say which: {example}")
    if not logits:
        check_mode(config, mode)
    elif boxes is not None:
        raise UserError("--logits and --boxes are two things: a file of logits is of a whole picture; give one of them")
    announce(config, stage)
    paths = find_images(source)
    persons_in(config, paths, boxes)
    folder = folder_of(config, stage, output, DUMP if logits else "infer")
    files = [file.with_suffix(".npy" if logits else ".png") for file in overlay_files(paths, folder)]
    pairs, finds = tuple(zip(paths, files, strict=True)), task_of(config).name == DETECTION.name
    group, wanted = current(), Wanted(stage, mode, logits, boxes, pairs, folder / FOUND if finds else None)
    group.start(_infer_part, config, wanted, silent)
    return Inference(stage, folder, tuple(files), _infer_part(group, config, wanted, progress), wanted.found)


@dataclass(frozen=True)
class Wanted:
    """What all processes are told: `pairs` of a picture and its file, and how; `found`: a detector's file of boxes."""

    stage: str
    mode: str
    logits: bool
    boxes: str | Path | None
    pairs: tuple[tuple[Path, Path], ...]
    found: Path | None = None


def _infer_part(group: Group, config: CfgNode, wanted: Wanted, progress: Progress) -> Steps:
    """Reads this process's pictures and writes what the stage makes of them; returns the time of all processes."""
    steps, pairs = Steps(), wanted.pairs
    boxes = FoundBoxes([path for path, _ in pairs], class_set(data_spec(config)).names)
    write = _writer(config, wanted, steps, boxes)
    own, advance = group.part(pairs), shared_counter(group, progress, len(pairs), f"infer {wanted.stage}")
    check_shared_folder(group, pairs[0][1].parent)
    for path, file in own:
        with steps.step("read"):
            image = read_image(path, channels_of(config))
        write(file, path, image)
        advance(1)
    found = group.gather(boxes.rows)
    if wanted.found and group.main:
        write_found(wanted.found, found)
    for others in group.gather(steps.costs)[1:]:
        for name, cost in others.items():
            steps.add(name, cost)
    advance(0)
    return steps


def _writer(config: CfgNode, wanted: Wanted, steps: Steps, saw: Saw) -> Write:
    where = persons_in(config, [path for path, _ in wanted.pairs], wanted.boxes)
    if wanted.logits:
        return _dumper(config, wanted.stage, where, steps)
    return _drawer(config, wanted, where, steps, saw)


def folder_of(config: CfgNode, stage: str, output: str | Path | None, name: str = "infer") -> Path:
    """Where to: `output`, or the folder `name` in the stage's."""
    return Path(output) if output else folders_of(config).stage(stage) / name


def check_mode(config: CfgNode, mode: str) -> Task:
    """Returns the network's task; UserError for an unknown mode, or one that the task hasn't."""
    task = task_of(config)
    if mode not in MODES:
        raise UserError(f"unknown mode {mode}; {nearest(mode, MODES)}")
    if mode in (COLOUR, MASK) and not task.maps:
        raise UserError(
            f"mode {mode} shows classes of pixels, which {task.name} has none of; expected compare or overlay"
        )
    return task


def painter_of(config: CfgNode, mode: str, stages: tuple[str, ...], widest: int = 0) -> Painter:
    """Returns what paints the classes of `stages`."""
    classes = class_set(data_spec(config))
    return Painter(mode, stages, classes.names, classes.palette, widest)


def _drawer(config: CfgNode, wanted: Wanted, where: Persons, steps: Steps, saw: Saw) -> Write:
    mode, stages = wanted.mode, shown_stages(wanted.stage, wanted.mode)
    predictors = [Predictor(config, name, steps) for name in stages]
    if not task_of(config).maps:
        return _writer_of_drawn(TaskDrawer(config, predictors, mode, where, saw), steps)
    painter = painter_of(config, mode, stages)

    def write(target: Path, _: Path, image: Picture) -> None:
        classes = np.stack([predict.classes(image[None])[0] for predict in predictors])
        with steps.step("write"):
            save(target, painter(rgb_view(image), classes), painter.palette)

    return write


def _writer_of_drawn(draw: TaskDrawer, steps: Steps) -> Write:
    def write(target: Path, path: Path, image: Picture) -> None:
        picture = draw(path, image)
        with steps.step("write"):
            overlay.save(target, picture)

    return write


def save(target: Path, picture: Picture, palette: Picture) -> None:
    """Write a picture (H, W, 3) RGB, or class ids (H, W) with the palette (classes, 3)."""
    if picture.ndim == 3:
        overlay.save(target, picture)
        return
    with atomic_path(target) as aside:
        aside.write_bytes(class_png(picture, palette))


def _dumper(config: CfgNode, stage: str, where: Persons, steps: Steps) -> Write:
    """Returns a function that writes a picture's logits, as the network gives them, before any upsampling."""
    predictor = Predictor(config, stage, steps)

    def dump(target: Path, path: Path, image: Picture) -> None:
        outputs = predictor.outputs((where(path, image)[0].cut(image) if predictor.is_pose else image)[None])
        if not isinstance(outputs, Tensor):
            raise UserError(f"MODEL.NAME {config.MODEL.NAME} has several outputs; --logits writes one: leave it out")
        with steps.step("write"), atomic_path(target) as aside, open(aside, "wb") as file:
            np.save(file, outputs[0].float().cpu().numpy())

    return dump


def classifier(config: CfgNode, stage: str) -> Classify:
    """Returns a function from a picture (H, W, 3) uint8 RGB to its classes (H, W) uint8."""
    predictor = Predictor(config, stage, Steps())
    return lambda image: predictor.classes(image[None])[0]
