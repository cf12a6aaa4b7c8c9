"""Draw a stage's classes as colour overlays of pictures, beside float's if the stage isn't float."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor
from yacs.config import CfgNode

from qat.data import class_set
from qat.data.descriptor import ClassSet
from qat.data.fit import Fit
from qat.data.image_io import read_image, rgb_view
from qat.data.listing import find_images
from qat.distributed import Group, current
from qat.errors import UserError
from qat.evaluation import upsample_argmax
from qat.evaluation.outputs import Outputs
from qat.evaluation.tasks import Frame, Prediction, Task
from qat.evaluation.tasks.keypoints import KEYPOINTS
from qat.evaluation.tasks.task import Drawing
from qat.files import atomic_path
from qat.invocation import command
from qat.report import overlay
from qat.report.overlay import Picture
from qat.workflow.evaluation import announce
from qat.workflow.load import load_stage
from qat.workflow.measuring import stage_fit, to_input
from qat.workflow.network import channels_of, network_spec, task_of
from qat.workflow.overlay_files import overlay_files
from qat.workflow.persons import Persons, persons_in, points_in
from qat.workflow.progress import Progress, silent
from qat.workflow.run import folders_of
from qat.workflow.settings import data_spec
from qat.workflow.sharing import shared_counter

log = logging.getLogger(__name__)
Classify = Callable[[Picture], Picture]
Write = Callable[[Path, Path, Picture], None]  # the file to write, the picture's file, the picture


@dataclass(frozen=True)
class Inference:
    """The stage, the output folder and the written pictures, in the order of the input."""

    stage: str
    folder: Path
    pictures: tuple[Path, ...]


def infer(
    config: CfgNode,
    progress: Progress = silent,
    *,
    source: str | Path,
    stage: str = "float",
    output: str | Path | None = None,
    logits: bool = False,
    boxes: str | Path | None = None,
) -> Inference:
    """Write an overlay for each picture, under the picture's name; subfolders of the common parent are kept.

    No picture is overwritten, and nothing is written outside the folder (`qat.workflow.overlay_files`).

    Args:
        config: the run's config.
        progress: called with the pictures done, the number of pictures, and a text.
        source: a picture, a folder of pictures or a list file.
        stage: float, calib, qat, int_infer or compiled.
        output: the folder to write to; by default infer/, or for logits dump/, in the stage's folder.
        logits: write the stage's raw logits, float32 (classes, h, w), as .npy in place of overlays.
        boxes: of a pose network, a file that says where persons are (`qat.data.person_boxes`); by default a picture is
            one person.

    Returns:
        The folder and the files in it.

    Raises:
        UserError: if `source` holds no picture, `boxes` can't be used, a picture can't be read or would be overwritten,
            or the stage doesn't exist or is stale.
    """
    if not str(source):
        example = command("infer", stage="int_infer", input="picture-or-folder")
        raise UserError(f"no input picture; say which: {example}")
    if not logits:
        task_of(config)
    elif boxes is not None:
        raise UserError("--logits and --boxes are two things: a file of logits is of a whole picture; give one of them")
    announce(config, stage)
    paths = find_images(source)
    where = persons_in(config, paths, boxes)
    folder = Path(output) if output else folders_of(config).stage(stage) / ("dump" if logits else "infer")
    files = [file.with_suffix(".npy" if logits else ".png") for file in overlay_files(paths, folder)]
    pairs, group, write = list(zip(paths, files, strict=True)), current(), _writer(config, stage, where, logits)
    group.start(_help, config, stage, boxes, logits, pairs)
    _infer_part(group, config, write, pairs, progress, f"infer {stage}")
    return Inference(stage, folder, tuple(files))


def _help(
    group: Group,
    config: CfgNode,
    stage: str,
    boxes: str | Path | None,
    logits: bool,
    pairs: Sequence[tuple[Path, Path]],
) -> None:
    """What the other processes do of `infer`."""
    where = persons_in(config, [path for path, _ in pairs], boxes)
    _infer_part(group, config, _writer(config, stage, where, logits), pairs, silent, "")


def _infer_part(
    group: Group, config: CfgNode, write: Write, pairs: Sequence[tuple[Path, Path]], progress: Progress, title: str
) -> None:
    """Reads this process's pictures and writes what the stage makes of them."""
    own, advance = group.part(pairs), shared_counter(group, progress, len(pairs), title)
    for path, file in own:
        write(file, path, read_image(path, channels_of(config)))
        advance(1)
    group.gather(None)
    advance(0)


def _writer(config: CfgNode, stage: str, where: Persons, logits: bool) -> Write:
    return _dumper(config, stage, where) if logits else _drawer(config, stage, where)


def _drawer(config: CfgNode, stage: str, where: Persons) -> Write:
    shown = ["float"] if stage == "float" else ["float", stage]
    if (task := task_of(config)).drawing is not None:
        return _task_drawer(config, task, shown, where)
    networks, classes = {name: classifier(config, name) for name in shown}, class_set(data_spec(config))
    return lambda target, _, image: overlay.save(target, draw(image, networks, classes))


def _task_drawer(config: CfgNode, task: Task, shown: Sequence[str], where: Persons) -> Write:
    """Returns a function that draws what each stage predicts, side by side, and where the second differs."""
    predictors = {name: _predictor(config, name, task, where) for name in shown}
    classes = class_set(data_spec(config))
    drawing = cast(Drawing, task.drawing)

    def write(target: Path, path: Path, image: Picture) -> None:
        predicted = [(name, predict(path, image)) for name, predict in predictors.items()]
        seen = rgb_view(image)
        panels = [(name, drawing.prediction(seen, one, classes)) for name, one in predicted]
        if len(predicted) == 2:
            panels.append(("difference", drawing.changes(seen, predicted[0][1], predicted[1][1], classes)))
        overlay.save(target, overlay.with_legend(overlay.panel(panels), classes.names, classes.palette))

    return write


def _predictor(config: CfgNode, stage: str, task: Task, where: Persons) -> Callable[[Path, Picture], Prediction]:
    """Returns a function from a picture to what the stage predicts of it."""
    compute, fit = _computer(config, stage)

    def predict(image: Picture) -> Prediction:
        size = (image.shape[0], image.shape[1])
        return task.predict(compute(image), Frame(size, fit.canvas(size), config.MODEL.ALIGN_CORNERS))[0]

    if task.name == KEYPOINTS.name:
        return lambda path, image: points_in(image, where(path, image), predict)
    return lambda _, image: predict(image)


def _dumper(config: CfgNode, stage: str, where: Persons) -> Write:
    """Returns a function that writes a picture's logits, as the network gives them, before any upsampling."""
    compute, _ = _computer(config, stage)
    is_person = network_spec(config).task == KEYPOINTS.name

    def dump(target: Path, path: Path, image: Picture) -> None:
        outputs = compute(where(path, image)[0].cut(image) if is_person else image)
        if not isinstance(outputs, Tensor):
            raise UserError(f"MODEL.NAME {config.MODEL.NAME} has several outputs; --logits writes one: leave it out")
        with atomic_path(target) as aside, open(aside, "wb") as file:
            np.save(file, outputs[0].float().cpu().numpy())

    return dump


def draw(image: Picture, networks: Mapping[str, Classify], classes: ClassSet) -> Picture:
    """Draws each network's classes over the picture (H, W, 3), side by side, with a legend; changes are white."""
    predicted = {name: classify(image) for name, classify in networks.items()}
    image = rgb_view(image)
    panels = [(name, overlay.overlay(image, prediction, classes.palette)) for name, prediction in predicted.items()]
    if len(predicted) == 2:
        first, second = predicted.values()
        changed = first != second
        dark = (image // 3).astype(image.dtype)
        dark[changed] = 255
        panels.append((f"changed: {changed.mean():.3%}", dark))
    return overlay.with_legend(overlay.panel(panels), classes.names, classes.palette)


def classifier(config: CfgNode, stage: str) -> Classify:
    """Returns a function from a picture (H, W, 3) uint8 RGB to its classes (H, W) uint8."""
    compute, fit = _computer(config, stage)

    def classify(image: Picture) -> Picture:
        size = image.shape[:2]
        logits = cast(Tensor, compute(image))
        return upsample_argmax(logits, size, config.MODEL.ALIGN_CORNERS, fit.canvas(size))[0].cpu().numpy()

    return classify


def _computer(config: CfgNode, stage: str) -> tuple[Callable[[Picture], Outputs], Fit]:
    """Returns a function from a picture to the stage's outputs, of batch 1, and how pictures are fitted."""
    model, fit = load_stage(config, stage), stage_fit(config, stage, one_size=True)
    prepare = to_input(config, stage, fit)

    def compute(image: Picture) -> Outputs:
        with torch.inference_mode():
            outputs: Outputs = model(prepare(torch.from_numpy(image)[None]))
            return outputs

    return compute, fit
