"""Calibrate: run training images through the rewritten network and choose every activation's scale."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from yacs.config import CfgNode

from qat.backends import calibration
from qat.backends.horizon import HorizonBackend
from qat.backends.protocol import Prepared
from qat.errors import UserError
from qat.files import read_json, sha256_text, write_json, write_text
from qat.graph import Rewritten
from qat.origin import Origin
from qat.ptq.methods import METHODS
from qat.stages import PARTIAL
from qat.stages.folders import METRICS
from qat.workflow import stages
from qat.workflow.calibration_pictures import CalibrationPictures
from qat.workflow.progress import Progress, counter, silent
from qat.workflow.run import run_of
from qat.workflow.settings import backend_choice
from qat.workflow.tuner import METHODS as METHODS_DONE
from qat.workflow.tuner import Tuner, check_plugin

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Calibration:
    """The stage's checkpoint, the pictures it was made from, and what each method did, by its key in QUANT."""

    checkpoint: Path
    images: int
    methods: Mapping[str, Any]


def calibrate(config: CfgNode, progress: Progress = silent) -> Calibration:
    """Make the calib stage's folder; a run that was killed goes on where it last saved.

    The methods are backend fx's: for the plugin they run there, on the same grid, and it takes over what they made.

    Args:
        config: of the run.
        progress: takes steps done, all steps, a text.

    Returns:
        What was made; calib-checkpoint-last.ckpt, qparams.json, images.txt and methods.json lie in the stage's folder.

    Raises:
        UserError: for what is missing, activations with NaN or infinity, or a method that can't run here.
    """
    make(config, progress)
    run = run_of(config)
    methods = run.folders.stage("calib") / METHODS_DONE
    images = (run.folders.stage("calib") / "images.txt").read_text(encoding="utf-8").count("\n")
    return Calibration(run.folders.checkpoint("calib"), images, read_json(methods) if methods.is_file() else {})


def make(cfg: CfgNode, progress: Progress) -> None:
    """Calibrate, or let the plugin take over what its twin's calibration made."""
    choice = backend_choice(cfg)
    log.info("%s", choice)
    if choice.backend.name != "fx":
        check_plugin(cfg)
        log.info("the methods run on backend fx, in %s", stages.twin(cfg).OUTPUT_DIR)
        calibrate_twin(cfg, progress)
        hand_over(cfg, "calib", progress)
        return
    pictures, folder = CalibrationPictures.of(cfg), stages.stage_folder(cfg, "calib")
    made_from = _made_from(cfg, "calib", pictures)
    prepared, rewritten = stages.load_prepared(cfg)
    done = calibration.resume(prepared, folder / PARTIAL, made_from)
    tuner = Tuner(cfg, pictures, made_from, resumed=done > 0, progress=progress)
    if not done:
        tuner.before(prepared)
    _observe(cfg, "calib", prepared, pictures, made_from, done, progress)
    tuner.after(prepared)
    _keep(cfg, "calib", prepared, pictures, made_from, rewritten)


def calibrate_twin(cfg: CfgNode, progress: Progress) -> None:
    """Calibrate the run's twin on backend fx, unless it has finished."""
    twin = stages.twin(cfg)
    try:
        stages.load_calibration(twin, stage="calib")
    except UserError:
        make(twin, progress)


def hand_over(cfg: CfgNode, stage: str, progress: Progress) -> None:
    """Make stage calib or qat of the plugin from the twin's: its weights, the plugin's own scales of activations.

    Weights keep the scales that a method or a training has rounded them by.
    """
    backend, pictures = backend_choice(cfg).backend, CalibrationPictures.of(cfg)
    made_from, tuned = _made_from(cfg, stage, pictures), stages.load_calibration(stages.twin(cfg), stage=stage)
    prepared, rewritten = stages.load_prepared(cfg)
    assert isinstance(backend, HorizonBackend)
    backend.take_weights(prepared, tuned)
    done = calibration.resume(prepared, stages.stage_folder(cfg, stage) / PARTIAL, made_from)
    _observe(cfg, stage, prepared, pictures, made_from, done, progress)
    if stage == "qat" or any(cfg.QUANT[key] for key in METHODS):
        backend.take_weight_scales(prepared, tuned)
    _keep(cfg, stage, prepared, pictures, made_from, rewritten)


def _made_from(cfg: CfgNode, stage: str, pictures: CalibrationPictures) -> Origin:
    return stages.made_from(cfg, stage).with_values({"the image list (sha256)": sha256_text(pictures.names)})


def _observe(
    cfg: CfgNode,
    stage: str,
    prepared: Prepared,
    pictures: CalibrationPictures,
    made_from: Origin,
    done: int,
    progress: Progress,
) -> None:
    """Run the pictures after the first `done` batches, and say what saw nothing."""
    path, backend = stages.stage_folder(cfg, stage) / PARTIAL, backend_choice(cfg).backend
    left = -(-len(pictures.indices) // cfg.QUANT.CALIB_BATCH_SIZE) - done
    if done:
        log.info("going on after %d batches of a run that was stopped", done)
    if left > 0:
        advance = counter(progress, left, stage)

        def after_batch(count: int) -> None:
            advance(1)
            if count % cfg.QUANT.SAVE_EVERY == 0:
                calibration.save(prepared, path, count, made_from)

        batches = pictures.batches(done, cfg.WORKERS)
        prepared.to(stages.device(cfg))
        done = calibration.calibrate(prepared, batches, after_batch, done, backend.observe)
        calibration.save(prepared, path, done, made_from)
    for node, why in backend.dead_observers(prepared):
        log.warning("dead observer: %s (%s)", node, why)


def _keep(
    cfg: CfgNode,
    stage: str,
    prepared: Prepared,
    pictures: CalibrationPictures,
    made_from: Origin,
    rewritten: Rewritten,
) -> None:
    """Write the stage's folder."""
    folder, count = stages.stage_folder(cfg, stage), len(pictures.indices)
    write_text(folder / "images.txt", pictures.names)
    write_json(folder / "qparams.json", backend_choice(cfg).backend.qparams(prepared))
    stages.write_provenance(cfg, stage, {"images": sha256_text(pictures.names), "rewrites": asdict(rewritten.log)})
    calibration.save(prepared, stages.checkpoint(cfg, stage), count, made_from)
    (folder / METRICS).unlink(missing_ok=True)  # what was measured on an earlier one
    (folder / PARTIAL).unlink(missing_ok=True)
    log.info("calibrated on %d images -> %s", count, stages.checkpoint(cfg, stage))
