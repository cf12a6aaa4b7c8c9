"""Debug: find where the int8 network loses accuracy, layer by layer, and say what to try next."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn
from yacs.config import CfgNode

from qat.analysis.advice import advise
from qat.analysis.layer_error import measure
from qat.analysis.measurements import Measurements, write_measurements
from qat.analysis.networks import Sample, Subject
from qat.analysis.qconfig import check_qconfig, qconfig
from qat.analysis.ranges import ranges
from qat.analysis.sensitivity import ALONE, Sensitivity
from qat.backends.protocol import Backend, LayerSimilarity
from qat.data import SegmentationDataset, build_dataset, data_loader, evenly_spaced
from qat.data.transforms import InferenceTransform, network_input
from qat.engine import PROGRAM
from qat.errors import UserError
from qat.evaluation.scorer import frame_of
from qat.files import replaced_folder
from qat.invocation import Invocation
from qat.models import short_name
from qat.program.conversion import TORCH_AO
from qat.stages import origin_of, source_of, write_record
from qat.workflow.load import example_input, load_calibrated, load_float, load_graph, load_plain, sized
from qat.workflow.network import task_of
from qat.workflow.progress import Progress, counter, silent
from qat.workflow.run import folders_of, invocation_of_stage, run_of, twin
from qat.workflow.settings import backend_choice, data_spec, fit_of

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Diagnosis:
    """The measurements, the steps to try next, the plugin's own tools' lines and layers, and the folder."""

    folder: Path
    measured: Measurements
    steps: tuple[Mapping[str, str], ...]
    inspection: tuple[str, ...] = ()
    similarity: tuple[LayerSimilarity, ...] = ()


def debug(config: CfgNode, progress: Progress = silent, *, invocation: Invocation | None = None) -> Diagnosis:
    """Measure each layer's error, range and cost, check the qconfig, and say what to try next.

    Horizon's plugin runs its own tools too; the layers are then those of the run's twin on backend fx, which has the
    same grid.

    Args:
        config: the run's config; the pictures are DEBUG.IMAGES and DEBUG.SENSITIVITY_IMAGES of DATASET.TEST_SET.
        progress: called with the steps done, the number of steps, and a text.
        invocation: the config and options that the commands of the advice repeat; by default the stage's config.yaml.

    Returns:
        The measurements, advice and inspection; `folder` has them as JSON files beside graph.html.

    Raises:
        UserError: if the calibration is missing or stale, if DEBUG asks for more pictures than there are, or if
            DEBUG.LAYERS names no layer.
    """
    task_of(config)
    choice = backend_choice(config)
    log.info("%s", choice)
    dataset = build_dataset(data_spec(config), "val", InferenceTransform())
    _check_budgets(config, dataset)
    inspection, similarity = _ask(config, choice.backend, dataset) if choice.backend.inspects else ((), ())
    if choice.backend.inspects:
        log.info("layer errors, sensitivity and advice: of the twin on backend fx, whose grid is the same")
        config = twin(config)
    subject = _subject(config)
    measured = _measure(config, subject, dataset, progress)
    advice = advise(measured, config.QUANT, invocation or invocation_of_stage(config, "debug"))
    folder = _write(config, subject, measured, advice)
    return Diagnosis(folder, measured, tuple(advice["steps"]), inspection, similarity)


def _ask(
    config: CfgNode, backend: Backend, dataset: SegmentationDataset
) -> tuple[tuple[str, ...], tuple[LayerSimilarity, ...]]:
    """The lines of the plugin's own tools, and its layers, on the first picture that DEBUG.IMAGES takes."""
    folder, (prepared, rewritten) = folders_of(config).stage("debug"), load_calibrated(config)
    picture = next(_samples(config, dataset, 1)).image
    lines, layers = backend.compare(rewritten, prepared, picture, folder)
    return (*backend.inspect(rewritten, prepared, picture, folder), *lines), tuple(layers)


def _check_budgets(config: CfgNode, dataset: SegmentationDataset) -> None:
    """Raises UserError if DEBUG asks for more images than there are."""
    for key in ("IMAGES", "SENSITIVITY_IMAGES"):
        if config.DEBUG[key] > len(dataset):
            raise UserError(
                f"DEBUG.{key} is {config.DEBUG[key]} and DATASET.TEST_SET {config.DATASET.TEST_SET} has {len(dataset)} "
                f"images; set DEBUG.{key} {len(dataset)} or less"
            )


def _subject(config: CfgNode) -> Subject:
    """The calibrated network and the float one beside it."""
    stage = source_of(run_of(config))
    log.info("looking at stage %s", stage)
    subject = Subject(load_graph(config), load_plain(config, stage), example_input(config))
    log.info("int_infer's layers are those of %s", PROGRAM if subject.runs_program else TORCH_AO)
    return subject


def _measure(config: CfgNode, subject: Subject, dataset: SegmentationDataset, progress: Progress) -> Measurements:
    """Measures everything; the names of DEBUG.LAYERS are checked first."""
    debugging = config.DEBUG
    sensitivity = Sensitivity(
        subject, config.DATASET.NUM_CLASSES, config.MODEL.ALIGN_CORNERS, debugging.LAYERS, task_of(config)
    )
    advance = counter(progress, debugging.IMAGES, "layer errors")
    errors = measure(subject, _samples(config, dataset, debugging.IMAGES), advance)
    items = check_qconfig(subject, load_float(config))
    costs = _costs(config, sensitivity, dataset, progress) if debugging.SENSITIVITY_IMAGES else None
    return Measurements(errors.rows(), ranges(errors), costs, qconfig(subject, items))


def _costs(
    config: CfgNode, sensitivity: Sensitivity, dataset: SegmentationDataset, progress: Progress
) -> dict[str, Any]:
    """Measures what each layer costs, on DEBUG.SENSITIVITY_IMAGES pictures."""
    start, images = time.perf_counter(), config.DEBUG.SENSITIVITY_IMAGES
    advance = counter(progress, images * len(sensitivity.names) * len(ALONE), "sensitivity")
    for sample in _samples(config, dataset, images):
        sensitivity.add(sample, advance)
    if not sensitivity.floating.tally.labelled:
        log.warning("no labels in DATASET.TEST_SET %s: no score, only the distance from float", config.DATASET.TEST_SET)
    return sensitivity.rows(time.perf_counter() - start)


def _samples(config: CfgNode, dataset: SegmentationDataset, count: int) -> Iterator[Sample]:
    """Yields `count` pictures, evenly spaced in the list."""
    data, fit, checked = config.DATASET, fit_of(config), sized(config, nn.Identity())
    for batch in data_loader(dataset, 1, config.WORKERS, indices=evenly_spaced(len(dataset), count)):
        image, label = batch["image"], batch.get("label")
        x, frame = checked(network_input(image, data.MEAN, data.STD, fit)), frame_of(batch, fit, False, task_of(config))
        yield Sample(batch["name"][0], x, label, frame.size, frame.canvas, frame.sides)


def _write(config: CfgNode, subject: Subject, measured: Measurements, advice: Mapping[str, Any]) -> Path:
    """Writes the stage's folder, whole or not at all."""
    run = run_of(config)
    folder = run.folders.stage("debug")
    counts = {"images": config.DEBUG.IMAGES, "sensitivity_images": config.DEBUG.SENSITIVITY_IMAGES}
    title = f"{short_name(config.MODEL.NAME)} ({config.DATASET.DATASET}/{config.NAME})"
    with replaced_folder(folder) as aside:
        write_measurements(aside, measured, advice, subject.program, title)
        write_record(aside, "debug", config.dump(), origin_of(run, "debug"), counts)
    return folder
