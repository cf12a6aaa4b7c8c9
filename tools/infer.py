"""Draw what a stage sees: colour overlays of a picture or a folder, beside float's where the stage isn't float."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

import _cli
import torch
from _announce import announce
from _input import input_size, to_input
from _progress import progress_bar
from yacs.config import CfgNode

from qat.data import class_set
from qat.data.folder import find_images
from qat.data.image_io import read_image
from qat.data.transforms.artefact import resized
from qat.errors import UserError
from qat.evaluation import upsample_argmax
from qat.report import overlay
from qat.report.overlay import Picture
from qat.workflow import stages

log = logging.getLogger(__name__)
Classify = Callable[[Picture], Picture]


def main() -> None:
    parser = _cli.parser(__doc__)
    parser.add_argument("--stage", choices=stages.STAGES, default="float")
    parser.add_argument("--input", required=True, help="a picture, a folder of pictures or a list file")
    parser.add_argument("--output", help="folder for the overlays (default: the stage's folder, infer/)")
    args = parser.parse_intermixed_args()
    if not args.input:
        raise UserError("no input picture; say which: make infer STAGE=int_infer INPUT=picture-or-folder")
    cfg = _cli.config(args)
    announce(cfg, args.stage)
    paths = find_images(args.input)
    output = Path(args.output) if args.output else stages.stage_folder(cfg, args.stage) / "infer"
    draw_all(cfg, args.stage, paths, output)
    log.info("%d overlays in %s", len(paths), output)


def draw_all(cfg: CfgNode, stage: str, paths: list[Path], output: Path) -> None:
    """Write one picture for each path, named after it; folders below a common parent are kept apart."""
    shown = ["float"] if stage == "float" else ["float", stage]
    networks = {name: classifier(cfg, name) for name in shown}
    common = os.path.commonpath([path.absolute().parent for path in paths])
    with progress_bar(f"infer {stage}", len(paths)) as advance:
        for path in paths:
            target = (output / path.absolute().relative_to(common)).with_suffix(".png")
            overlay.save(target, draw(cfg, read_image(path), networks))
            advance(1)


def draw(cfg: CfgNode, image: Picture, networks: dict[str, Classify]) -> Picture:
    """The picture (H, W, 3) under each network's colours, side by side, the legend below; changed pixels in white."""
    classes = class_set(cfg)
    predicted = {name: classify(image) for name, classify in networks.items()}
    panels = [(name, overlay.overlay(image, found, classes.palette)) for name, found in predicted.items()]
    if len(predicted) == 2:
        first, second = predicted.values()
        changed = first != second
        dark = (image // 3).astype(image.dtype)
        dark[changed] = 255
        panels.append((f"changed: {changed.mean():.3%}", dark))
    return overlay.with_legend(overlay.panel(panels), classes.names, classes.palette)


def classifier(cfg: CfgNode, stage: str) -> Classify:
    """A function from a picture (H, W, 3) uint8 RGB to its classes (H, W) uint8."""
    model, prepare, size = stages.load_stage(cfg, stage), to_input(cfg, stage), input_size(cfg, stage)

    def classify(image: Picture) -> Picture:
        with torch.inference_mode():
            logits = model(prepare(resized(torch.from_numpy(image)[None], size)))
        return upsample_argmax(logits, image.shape[:2], cfg.MODEL.ALIGN_CORNERS)[0].cpu().numpy()

    return classify


if __name__ == "__main__":
    _cli.run(main)
