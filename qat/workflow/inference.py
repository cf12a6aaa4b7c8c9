"""Draw a stage's classes as colour overlays of pictures, beside float's if the stage isn't float."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from yacs.config import CfgNode

from qat.data import class_set
from qat.data.descriptor import ClassSet
from qat.data.image_io import read_image, rgb_view
from qat.data.listing import find_images
from qat.errors import UserError
from qat.evaluation import upsample_argmax
from qat.invocation import command
from qat.report import overlay
from qat.report.overlay import Picture
from qat.workflow.evaluation import announce, stage_fit, to_input
from qat.workflow.load import load_stage
from qat.workflow.network import channels_of, require_segmentation
from qat.workflow.overlay_files import overlay_files
from qat.workflow.progress import Progress, silent, watched
from qat.workflow.run import folders_of
from qat.workflow.settings import data_spec

log = logging.getLogger(__name__)
Classify = Callable[[Picture], Picture]


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
) -> Inference:
    """Write an overlay for each picture, under the picture's name; subfolders of the common parent are kept.

    No picture is overwritten, and nothing is written outside the folder (`qat.workflow.overlay_files`).

    Args:
        config: the run's config.
        progress: called with the pictures done, the number of pictures, and a text.
        source: a picture, a folder of pictures or a list file.
        stage: float, calib, qat, int_infer or compiled.
        output: the folder to write to; by default infer/ in the stage's folder.

    Returns:
        The folder and the PNG files in it.

    Raises:
        UserError: if `source` holds no picture, a picture can't be read or would be overwritten, or the stage doesn't
            exist or is stale.
    """
    if not str(source):
        example = command("infer", stage="int_infer", input="picture-or-folder")
        raise UserError(f"no input picture; say which: {example}")
    require_segmentation(config, "infer")
    announce(config, stage)
    paths = find_images(source)
    folder = Path(output) if output else folders_of(config).stage(stage) / "infer"
    files = overlay_files(paths, folder)
    shown = ["float"] if stage == "float" else ["float", stage]
    networks, classes = {name: classifier(config, name) for name in shown}, class_set(data_spec(config))
    pairs = list(zip(paths, files, strict=True))
    for path, file in watched(pairs, progress, len(pairs), f"infer {stage}"):
        overlay.save(file, draw(read_image(path, channels_of(config)), networks, classes))
    return Inference(stage, folder, tuple(files))


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
    model, fit = load_stage(config, stage), stage_fit(config, stage, one_size=True)
    prepare = to_input(config, stage, fit)

    def classify(image: Picture) -> Picture:
        with torch.inference_mode():
            logits = model(prepare(torch.from_numpy(image)[None]))
        size = image.shape[:2]
        return upsample_argmax(logits, size, config.MODEL.ALIGN_CORNERS, fit.canvas(size))[0].cpu().numpy()

    return classify
