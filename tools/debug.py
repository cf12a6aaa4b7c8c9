"""Debug: where the int8 network loses accuracy, layer by layer, and what to try next."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path
from typing import Any

import _cli
from _progress import progress_bar
from _samples import check_budgets, samples
from rich.console import Console
from yacs.config import CfgNode

from qat.analysis import tables
from qat.analysis.advice import Findings, Settings, advise
from qat.analysis.layer_error import LayerErrors, measure
from qat.analysis.networks import Subject
from qat.analysis.qconfig import check_qconfig
from qat.analysis.qconfig_text import qconfig
from qat.analysis.ranges import ranges
from qat.analysis.report import write_findings
from qat.analysis.sensitivity import ALONE, Sensitivity
from qat.backends.horizon import HorizonBackend
from qat.data import SegmentationDataset, build_dataset
from qat.data.transforms import InferenceTransform
from qat.environment import environment
from qat.files import write_json, write_text
from qat.folders import replaced_folder
from qat.workflow import stages
from qat.workflow.settings import backend_choice

log = logging.getLogger(__name__)
PIPE_WIDTH = 120


def main() -> None:
    args = _cli.parser(__doc__).parse_intermixed_args()
    cfg = _cli.config(args)
    choice = backend_choice(cfg)
    log.info("%s", choice)
    if isinstance(choice.backend, HorizonBackend):
        ask_plugin(cfg, choice.backend)
        cfg = stages.twin(cfg)
    folder = stages.stage_folder(cfg, "debug")
    dataset = build_dataset(cfg, "val", InferenceTransform())
    check_budgets(cfg, dataset)
    subject = load_subject(cfg)
    sensitivity = Sensitivity(subject, cfg.DATASET.NUM_CLASSES, cfg.MODEL.ALIGN_CORNERS, cfg.DEBUG.LAYERS)
    found = examine(cfg, subject, sensitivity, dataset)
    advice = advise(found, Settings(dict(cfg.QUANT), os.path.relpath(args.cfg), args.opts))
    with replaced_folder(folder) as aside:
        write_findings(aside, found, advice, subject.program, f"{cfg.MODEL.NAME} ({cfg.DATASET.DATASET}/{cfg.NAME})")
        write_provenance(cfg, aside, found)
    show(found, advice)
    log.info("debug -> %s", folder)


def ask_plugin(cfg: CfgNode, backend: HorizonBackend) -> None:
    """The vendor's own tools."""
    folder = stages.stage_folder(cfg, "debug")
    for line in backend.inspect(stages.load_calibration(cfg), stages.example_input(cfg), folder):
        print(line)
    log.info("layer errors, sensitivity and advice: of the twin on backend fx, whose grid is the same")


def load_subject(cfg: CfgNode) -> Subject:
    """The calibrated network and the float one beside it."""
    stage = stages.source(cfg)
    log.info("looking at stage %s", stage)
    return Subject(stages.load_calibration(cfg), stages.load_plain(cfg, stage), stages.example_input(cfg))


def examine(cfg: CfgNode, subject: Subject, sensitivity: Sensitivity, dataset: SegmentationDataset) -> Findings:
    """Run everything, with a progress bar for each part."""
    errors = layer_errors(cfg, subject, dataset)
    items = check_qconfig(subject, stages.load_float(cfg))
    measured = sensitivities(cfg, sensitivity, dataset) if cfg.DEBUG.SENSITIVITY_IMAGES else None
    return Findings(errors.rows(), ranges(errors), measured, qconfig(subject, items))


def layer_errors(cfg: CfgNode, subject: Subject, dataset: SegmentationDataset) -> LayerErrors:
    """On DEBUG.IMAGES pictures."""
    with progress_bar("layer errors", cfg.DEBUG.IMAGES) as advance:
        return measure(subject, samples(cfg, dataset, cfg.DEBUG.IMAGES), advance)


def sensitivities(cfg: CfgNode, sensitivity: Sensitivity, dataset: SegmentationDataset) -> dict[str, Any]:
    """On DEBUG.SENSITIVITY_IMAGES pictures."""
    start, images = time.perf_counter(), cfg.DEBUG.SENSITIVITY_IMAGES
    with progress_bar("sensitivity", images * len(sensitivity.names) * len(ALONE)) as advance:
        for sample in samples(cfg, dataset, images):
            sensitivity.add(sample, advance)
    if not sensitivity.floating.labelled:
        log.warning("no labels in DATASET.TEST_SET %s: no mIoU, only the distance from float", cfg.DATASET.TEST_SET)
    return sensitivity.rows(time.perf_counter() - start)


def write_provenance(cfg: CfgNode, folder: Path, found: Findings) -> None:
    """What the folder was made from: config, the calibration's hash, how many pictures of which list, machine."""
    counts = {"images": cfg.DEBUG.IMAGES, "sensitivity_images": cfg.DEBUG.SENSITIVITY_IMAGES}
    made_from = dict(stages.made_from(cfg, "debug").values)
    write_text(folder / "config.yaml", cfg.dump())
    write_json(
        folder / "manifest.json", {"stage": "debug", "made_from": made_from, "environment": environment()} | counts
    )


def show(found: Findings, advice: dict[str, Any]) -> None:
    """Print the tables and the advice."""
    console = Console(width=None if Console().is_terminal else PIPE_WIDTH, highlight=False)
    for table in tables.all_tables(found.layers, found.ranges, found.sensitivity, found.qconfig):
        console.print(table)
    for number, step in enumerate(advice["steps"], 1):
        print(f"{number}. {step['why']}\n   try: {step['try']}\n   {step['command']}")
    if not advice["steps"]:
        print("nothing stands out: nothing to try")


if __name__ == "__main__":
    _cli.run(main)
