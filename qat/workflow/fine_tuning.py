"""Fine-tune the calibrated network; also in several processes, which torchrun starts."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from torch import fx
from yacs.config import CfgNode

from qat.backends import calibration, scales
from qat.backends.fx.backend import as_graph
from qat.config import default_config, with_values
from qat.data import SegmentationDataset
from qat.data.label_counts import require_classes
from qat.files import json_text, known_sha256, remove
from qat.graph.trace import trace
from qat.origin import Origin
from qat.ptq.methods import undone_by_equalising
from qat.stages import EQUALISED, finished_stages, origin_of, write_views
from qat.stages.folders import CONFIG, FIGURES, MANIFEST, METRICS, QPARAMS
from qat.training import DistContext, FineTuneConfig, FineTuner, dist_context
from qat.training.data import WithoutLabels, empty_label, has_labels
from qat.training.distillation import TeacherStudent
from qat.training.initial_graph import Start, StartConfig, equalised_graph
from qat.training.losses import RECIPE_OF_TASK
from qat.training.optim import Plan
from qat.workflow.calibration import forget, hand_over
from qat.workflow.calibration_pictures import CalibrationPictures
from qat.workflow.load import device, example_input, load_calibration, load_float, load_graph, load_prepared
from qat.workflow.network import task_of
from qat.workflow.progress import Progress, silent
from qat.workflow.run import folders_of, record_stage, run_of, twin
from qat.workflow.settings import backend_choice
from qat.workflow.training import choose_kernels, loop_config, loss_config, run_loop, training_data

log = logging.getLogger(__name__)
SHARE = 10  # fine-tuning takes a tenth of the float epochs unless QAT.END_EPOCH says otherwise
PARTS = ("labels", "logits", "boundary")  # of the loss, each with its weight in QAT
_READ = (  # of TRAIN, beside what the plan holds
    *("IMAGE_SIZE", "BASE_SIZE", "FLIP", "SCALE_FACTOR", "COLOR", "BATCH_SIZE_PER_GPU", "SHUFFLE"),
    "SEED",
)


@dataclass(frozen=True)
class FineTuning:
    """Stage qat's folder and checkpoint, one record an epoch, and `start`: whether scales learn and channels were
    equalised, and why.
    """

    folder: Path
    checkpoint: Path
    start: Start
    history: tuple[Mapping[str, Any], ...]


def finetune(config: CfgNode, progress: Progress = silent) -> FineTuning:
    """Fine-tune from the finished calibration of the same config; the float network is the teacher.

    On another backend than fx, the run's twin on fx learns, and the backend takes over its weights.

    Args:
        config: the run's config.
        progress: called with the steps done, the number of steps, and a text; in the main process alone.

    Returns:
        The stage's checkpoint, its starting point and each epoch's record.

    Raises:
        UserError: if the calibration is missing or stale, if pictures are missing, or if a loss, gradient or weight
            becomes NaN or infinite.
    """
    task_of(config)
    start = start_of(config)
    with dist_context(device(config)) as context:
        tuner = make_fine_tuner(config, start, context)
        history = run_loop(tuner, progress, "qat")
        if context.main and backend_choice(config).backend.takes_over:
            hand_over(config, "qat", progress)
    folders = folders_of(config)
    return FineTuning(folders.stage("qat"), folders.checkpoint("qat"), start, tuple(history))


def start_of(config: CfgNode) -> Start:
    """Chooses where training starts, by section QAT and the evaluated stages."""
    own, quant = config.QAT, config.QUANT
    tuned = undone_by_equalising(quant)
    return Start.of(StartConfig(own.SCALES, own.EQUALISE, quant.GATE, tuned), finished_stages(run_of(config)))


def make_fine_tuner(config: CfgNode, start: Start, context: DistContext) -> FineTuner:
    """Returns the fine-tuning that a config describes."""
    choose_kernels(config)
    if backend_choice(config).backend.takes_over:
        load_calibration(config, stage="calib")  # which the result will belong to
        config = twin(config)
    log.info("%s", start)
    pair = load_pair(config, start, write=context.main)
    train, val = training_data(with_values(config, {"TRAIN.MULTI_SCALE": config.QAT.MULTI_SCALE}))
    plan = plan_of(config)
    if not has_labels(val):
        log.warning("%s has no labels: no score on the way", config.DATASET.TEST_SET)
        plan = replace(plan, eval_every=0)
    origin = origin_of(run_of(config), "qat").with_values(start.record())
    settings = _without_labels(config, train, fine_tune_config(config, plan, origin, train.class_weights))
    return FineTuner(settings, context, pair, train, val, keep=partial(_keep, config, start.record()))


def _without_labels(config: CfgNode, train: SegmentationDataset, settings: FineTuneConfig) -> FineTuneConfig:
    """The settings, whose labels weigh nothing where the training list has none; UserError where they say nothing."""
    if has_labels(train):
        if config.QAT.LABELS:
            require_classes(train, range(len(train)), f"DATASET.TRAIN_SET {config.DATASET.TRAIN_SET}")
        return settings
    log.warning("%s has no labels: learning from the float network alone", config.DATASET.TRAIN_SET)
    label = empty_label(settings.loop.task.name, config.DATASET.NUM_CLASSES)
    train.transform = WithoutLabels(train.transform, label)  # type: ignore[arg-type]
    return replace(settings, weights={**settings.weights, "labels": 0.0})


def fine_tune_config(
    config: CfgNode, plan: Plan, origin: Origin, class_weights: tuple[float, ...] | None = None
) -> FineTuneConfig:
    """Reads QAT, LOSS and TRAIN. `origin`: what decides the run's start and result."""
    loop = loop_config(config, "qat")
    return FineTuneConfig(
        loop=loop,
        plan=plan,
        settings=settings_of(config, plan, origin),
        loss=replace(loss_config(config, class_weights), anchors=loop.task.anchors),
        scale_lr=config.QAT.SCALE_LR,
        weights={part: config.QAT[part.upper()] for part in PARTS},
        recipe=RECIPE_OF_TASK[loop.task.name],
    )


def plan_of(config: CfgNode) -> Plan:
    """Reads the plan of section QAT; the schedule's power is TRAIN's.

    >>> from qat.config import load_config
    >>> [plan_of(load_config(None, ["TRAIN.END_EPOCH", end])).epochs for end in ("3", "484")]
    [1, 48]
    """
    own, train = config.QAT, config.TRAIN
    return Plan(
        stage="qat",
        epochs=own.END_EPOCH or max(1, train.END_EPOCH // SHARE),
        eval_every=own.EVAL_EVERY,
        ema=own.EMA,
        lr=own.LR,
        power=train.LR_POWER,
        min_lr=own.MIN_LR,
    )


def settings_of(config: CfgNode, plan: Plan, origin: Origin) -> Origin:
    """Returns the settings that are compared with a checkpoint's, as text: start, plan and what it learns from."""
    values = {**origin.values, "plan": plan, **_read(config)}
    return Origin(_as_text(values), _as_text({**origin.defaults, **_read(default_config())}))


def _read(config: CfgNode) -> dict[str, Any]:
    own = {f"TRAIN.{key}": config.TRAIN[key] for key in _READ}
    return own | {f"LOSS.{key}": value for key, value in config.LOSS.items()}


def _as_text(values: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in values.items()}


def load_pair(config: CfgNode, start: Start, write: bool = True) -> TeacherStudent:
    """Loads the starting calibration, for TEST.IMAGE_SIZE and for crops of TRAIN.IMAGE_SIZE, and float.

    `write`: see `starting_graph`. UserError if there is no calibration of this config, whose backend is fx.
    """
    crop, prepared = config.TRAIN.IMAGE_SIZE, starting_graph(config, start, write)
    cropped = as_graph(load_prepared(config, prove=False, size=crop)[0])
    cropped.load_state_dict(prepared.state_dict())
    teacher = trace(load_float(config), example_input(config, crop))
    return TeacherStudent.of(prepared, cropped, teacher, start.scales_learn)


def starting_graph(config: CfgNode, start: Start, write: bool) -> fx.GraphModule:
    """Returns the graph that training starts from, with frozen scales, for TEST.IMAGE_SIZE; UserError if uncalibrated.

    `write`: keep the equalised float network in the stage's folder, which later stages compare with.
    """
    run = run_of(config)
    calibrated = load_graph(config, stage="calib")
    path = run.folders.stage("qat") / EQUALISED
    if write and not calibration.recorded(run.folders.checkpoint("qat")).equalised:  # else the state there is has it
        remove(path)
    if not start.equalised:
        return calibrated
    pictures, prepared = CalibrationPictures.of(config), as_graph(load_prepared(config, prove=False)[0])
    prepared.to(device(config))

    def keep(equalised: fx.GraphModule) -> None:
        if write:
            calibration.save_calibration(equalised, path, 0, origin_of(run, "qat"))

    example = example_input(config).to(device(config))
    return equalised_graph(prepared, calibrated, example, (pictures.for_ranges(), pictures.batches()), keep)


def _keep(config: CfgNode, start: Mapping[str, Any], prepared: fx.GraphModule, epochs: int) -> None:
    """Writes stage qat's state, which takes its place in one step, and what is written out of it."""
    run = run_of(config)
    folder = run.folders.stage("qat")
    views = {
        QPARAMS: json_text(scales.qparams(prepared)),
        MANIFEST: json_text(record_stage(config, "qat", {"epochs": epochs, **start})),
        CONFIG: config.dump(),
    }
    equalised = known_sha256(folder / EQUALISED) if start["equalised"] else ""
    record = calibration.Record({}, views, equalised)
    calibration.save_calibration(prepared, run.folders.checkpoint("qat"), epochs, origin_of(run, "qat"), record)
    forget(folder, FIGURES, METRICS, *([] if equalised else [EQUALISED]))
    write_views(folder)
