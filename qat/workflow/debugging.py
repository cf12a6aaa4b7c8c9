"""Debug: find where the int8 network loses accuracy, layer by layer, and say what to try next."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn
from yacs.config import CfgNode

from qat.analysis.advice import advise
from qat.analysis.layer_error import LayerErrors, measure
from qat.analysis.measurements import Measurements, write_measurements
from qat.analysis.networks import Sample, Subject
from qat.analysis.qconfig import check_qconfig, qconfig
from qat.analysis.ranges import ranges
from qat.analysis.sensitivity import ALONE, Sensitivity
from qat.backends.protocol import Backend, LayerSimilarity
from qat.data import SegmentationDataset, build_dataset, data_loader, evenly_spaced
from qat.data.transforms import network_input
from qat.distributed import Group, current
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
from qat.workflow.progress import Progress, silent
from qat.workflow.run import folders_of, invocation_of_stage, run_of, twin
from qat.workflow.settings import backend_choice, data_spec, fit_of, inference_transform
from qat.workflow.sharing import check_same_files, shared_counter

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
    dataset = build_dataset(data_spec(config), "val", inference_transform(config))
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
    picture = next(_samples(config, dataset, evenly_spaced(len(dataset), 1))).image
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
    group = current()
    group.start(_help, config)
    errors = _layer_errors(group, config, subject, dataset, progress)
    items = check_qconfig(subject, load_float(config))
    costs = _costs(group, config, sensitivity, dataset, progress) if debugging.SENSITIVITY_IMAGES else None
    return Measurements(errors.rows(), ranges(errors), costs, qconfig(subject, items))


def _help(group: Group, config: CfgNode) -> None:
    """What the other processes do of `_measure`."""
    dataset, subject = build_dataset(data_spec(config), "val", inference_transform(config)), _subject(config)
    data, names = config.DATASET, config.DEBUG.LAYERS
    _layer_errors(group, config, subject, dataset, silent)
    if config.DEBUG.SENSITIVITY_IMAGES:
        sensitivity = Sensitivity(subject, data.NUM_CLASSES, config.MODEL.ALIGN_CORNERS, names, task_of(config))
        _costs(group, config, sensitivity, dataset, silent)


def _layer_errors(
    group: Group, config: CfgNode, subject: Subject, dataset: SegmentationDataset, progress: Progress
) -> LayerErrors:
    """Measures this process's pictures of DEBUG.IMAGES; the first one's has what all saw."""
    indices = evenly_spaced(len(dataset), config.DEBUG.IMAGES)
    check_same_files(group, dataset, indices)
    advance = shared_counter(group, progress, len(indices), "layer errors")
    errors = measure(subject, _samples(config, dataset, group.share(indices)), advance)
    for seen in group.gather(errors.seen)[1:]:
        errors.merge(seen)
    advance(0)
    return errors


def _costs(
    group: Group, config: CfgNode, sensitivity: Sensitivity, dataset: SegmentationDataset, progress: Progress
) -> dict[str, Any]:
    """Measures what each layer costs, on this process's pictures of DEBUG.SENSITIVITY_IMAGES; the first's of all."""
    start, indices = time.perf_counter(), evenly_spaced(len(dataset), config.DEBUG.SENSITIVITY_IMAGES)
    check_same_files(group, dataset, indices)
    advance = shared_counter(group, progress, len(indices) * len(sensitivity.names) * len(ALONE), "sensitivity")
    for sample in _samples(config, dataset, group.share(indices)):
        sensitivity.add(sample, advance)
    for seen in group.gather(sensitivity.seen)[1:]:
        sensitivity.merge(seen)
    advance(0)
    if not group.main:
        return {}
    if not sensitivity.floating.tally.labelled:
        log.warning("no labels in DATASET.TEST_SET %s: no score, only the distance from float", config.DATASET.TEST_SET)
    return sensitivity.rows(time.perf_counter() - start)


def _samples(config: CfgNode, dataset: SegmentationDataset, indices: Sequence[int]) -> Iterator[Sample]:
    """Yields the pictures of `indices`."""
    data, fit, checked = config.DATASET, fit_of(config), sized(config, nn.Identity())
    for batch in data_loader(dataset, 1, config.WORKERS, indices=indices):
        image, label = batch["image"], batch.get("label")
        x, frame = checked(network_input(image, data.MEAN, data.STD, fit)), frame_of(batch, fit, False, task_of(config))
        yield Sample(batch["name"][0], x, label, frame.size, frame.canvas, frame.sides, frame.pictures)


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
