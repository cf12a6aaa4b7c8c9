"""Evaluate a stage: mIoU over the whole set, where it has labels, its distance from float, and all stages so far."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from yacs.config import CfgNode

from qat.config.checks import RULES
from qat.data import SegmentationDataset, build_dataset
from qat.data.content import content_of
from qat.data.label_counts import LabelCounts, remarks, require_classes
from qat.distributed import current
from qat.environment import environment
from qat.errors import UserError
from qat.evaluation import Result
from qat.evaluation.class_order import order_remark
from qat.evaluation.metrics import MEASURED_ON, image_list, metrics, passes
from qat.evaluation.table import verdict
from qat.invocation import command
from qat.models import short_name
from qat.origin import Origin
from qat.runtimes import get_runtime
from qat.stages import (
    CHECKPOINTS,
    STAGES,
    Figures,
    checkpoint_digest,
    finished_stages,
    previous_record,
    source_of,
    write_figures,
    write_views,
)
from qat.stages.folders import METRICS
from qat.workflow.artefact import find_artefact
from qat.workflow.augmented_test import AugmentedTest, augmented_of, augmented_test
from qat.workflow.kernels import recorded_kernels
from qat.workflow.load import load_stage
from qat.workflow.measuring import evaluated_names, float_logits, help_measure, measured
from qat.workflow.network import task_of
from qat.workflow.places import stage_on_cpu
from qat.workflow.progress import Progress, silent
from qat.workflow.run import folders_of, record_stage, run_of
from qat.workflow.settings import backend_choice, data_spec, inference_transform

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Evaluation:
    """A stage's evaluation. `title`: its key in `stages`, which has the metrics of every stage so far.

    `gate`: the share of float's score (0 to 1) to keep. `passed`: whether the stage keeps it. `verdict`: that in words.
    `augmented`: float's score by flip and multi-scale testing, where TEST asks for it.
    """

    stage: str
    title: str
    folder: Path
    stages: Mapping[str, Mapping[str, Any]]
    gate: float
    passed: bool
    verdict: str
    augmented: AugmentedTest | None = None


def evaluate(
    config: CfgNode, progress: Progress = silent, *, stage: str = "float", gate: float | None = None
) -> Evaluation:
    """Score a stage on DATASET.TEST_SET; float is scored first if it isn't yet on these pictures.

    Pictures without labels give no score: the stage's distance from float alone, and `gate` is the share of predictions
    that are float's, such as pixels that keep its class.

    Args:
        config: the run's config.
        progress: called with the pictures done, the number of pictures, and a text.
        stage: float, calib, qat, int_infer or compiled.
        gate: the share of float's score (0 to 1) to keep; by default QUANT.GATE.

    Returns:
        The metrics of every stage so far, and whether this one passes; metrics.json lies in its folder.

    Raises:
        UserError: if `gate` isn't above 0 and at most 1, the stage doesn't exist, was made from other weights or
            another config, or can't be scored, and if pictures are missing.
    """
    task_of(config)
    if gate is not None:
        _check_gate(gate)
    dataset = build_dataset(data_spec(config), "val", inference_transform(config))
    _settle(config)
    if stage != "float" and not _float_is_recorded(config, dataset):
        log.info("float isn't evaluated on these images yet: doing that first")
        measure(config, "float", dataset, progress)
    measure(config, stage, dataset, progress)
    finished, folders = finished_stages(run_of(config), measured_on(config, dataset)), folders_of(config)
    title, bound = folders.title(stage), config.QUANT.GATE if gate is None else gate
    passed, said = (
        stage == "float" or passes(finished[title], finished["float"], bound),
        verdict(title, finished, bound),
    )
    augmented = _augmented(config, stage, dataset, progress)
    return Evaluation(stage, title, folders.stage(stage), finished, bound, passed, said, augmented)


def _augmented(config: CfgNode, stage: str, dataset: SegmentationDataset, progress: Progress) -> AugmentedTest | None:
    """Float's score by flip and multi-scale testing; None where TEST doesn't ask for it or there are no labels."""
    how = augmented_of(config)
    if how is None or not task_of(config).maps:
        return None
    if stage != "float":
        log.info("%s (TEST): of float alone; %s sees each picture once, as it is deployed", how.title, stage)
        return None
    if dataset.entries[0].label is None:
        log.info("%s (TEST): not without labels", how.title)
        return None
    return augmented_test(config, how, dataset, evaluated_names(config, dataset), progress)


def _check_gate(gate: float) -> None:
    is_right, expected = RULES["QUANT.GATE"]
    if not is_right(gate):
        raise UserError(f"--gate {gate:g}; expected {expected}")


def measure(config: CfgNode, stage: str, dataset: SegmentationDataset, progress: Progress = silent) -> None:
    """Evaluate `stage` and write its folder."""
    announce(config, stage)
    count = len(evaluated_names(config, dataset))
    require_classes(dataset, range(count), f"DATASET.TEST_SET {config.DATASET.TEST_SET}")
    group, model = current(), load_stage(config, stage)
    group.start(help_measure, config, stage)
    result, written = measured(group, config, stage, dataset, model, progress)
    if stage == "float":
        store = float_logits(config, dataset)
        store.written.update(written)
        store.finish()
        _remark(dataset, result)
    _write(config, stage, dataset, result)


def _remark(dataset: SegmentationDataset, result: Result) -> None:
    """Log outputs in another order than the classes, and classes without a labelled pixel, which mIoU leaves out."""
    if result.counts is not None and (line := order_remark(result.counts, dataset.class_names)):
        log.warning("%s", line)
    if result.scores is not None:
        pixels, read = result.scores.labelled, len(result.names)
        for line in remarks(LabelCounts(dataset.class_names, pixels, (), 0, read)):
            log.warning("%s", line)


def announce(config: CfgNode, stage: str) -> None:
    """Log the backend of `stage`, the stage that it starts from, and a device that isn't DEVICE; nothing for float."""
    if stage == "float":
        return
    if line := stage_on_cpu(config, stage):
        log.info("%s", line)
    log.info("%s", backend_choice(config))
    if stage not in CHECKPOINTS:
        log.info("%s starts from %s (QUANT.FROM %s)", stage, source_of(run_of(config)), config.QUANT.FROM)


def _write(config: CfgNode, stage: str, dataset: SegmentationDataset, result: Result) -> None:
    folder = folders_of(config).stage(stage)
    more = previous_record(folder) | {"evaluated": list(result.names)}
    if stage == "compiled":
        artefact, runtime = find_artefact(config), config.COMPILE.RUNTIME
        more |= {"artefact": artefact.path.name, "artefact_sha256": artefact.record["sha256"]}
        more |= {"runtime": f"{runtime} {get_runtime(runtime).version}"}
    record, data = record_stage(config, stage, more), dict(measured_on(config, dataset).values)
    content = metrics(result, dataset.class_names, short_name(config.MODEL.NAME), environment()) | {MEASURED_ON: data}
    if stage == "int_infer" and (kernels := recorded_kernels(config)):
        content["kernels"] = asdict(kernels)
    write_figures(folder, Figures(content, record, config.dump(), checkpoint_digest(folder), data))
    write_views(folder)
    log.info("%s: %s", stage, folder / METRICS)


def _float_is_recorded(config: CfgNode, dataset: SegmentationDataset) -> bool:
    """Whether float's logits are there; UserError for those of more pictures, with which a stage can't be compared."""
    found, names = finished_stages(run_of(config)).get("float"), evaluated_names(config, dataset)
    if found is None or not float_logits(config, dataset).holds(names):
        return False
    if found["image_list"] != image_list(names):
        raise UserError(
            f"float was evaluated on {found['images']} images and TEST.NUM_IMAGES leaves {len(names)}; set it to what "
            f"it was, or evaluate float again: {command('eval', stage='float')}"
        )
    return "float" in finished_stages(run_of(config), measured_on(config, dataset))


def measured_on(config: CfgNode, dataset: SegmentationDataset) -> Origin:
    """Returns what identifies the evaluated pictures and their labels."""
    return Origin(content_of(dataset, range(len(evaluated_names(config, dataset)))))


def _settle(config: CfgNode) -> None:
    """Writes out of the stages' states and figures what a killed run didn't."""
    folders = folders_of(config)
    for stage in STAGES:
        with suppress(UserError):  # a folder that can't be written to will do; damage is said where it is read
            write_views(folders.stage(stage))
