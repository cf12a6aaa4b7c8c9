"""Calibrate: run training images through the rewritten network and choose every activation's scale."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from yacs.config import CfgNode

from qat.backends.calibration import calibrate as observe_all
from qat.backends.calibration import resume_calibration, save_calibration
from qat.backends.fx.backend import as_graph
from qat.backends.protocol import Prepared
from qat.errors import UserError
from qat.files import read_json, sha256_text, write_json, write_text
from qat.graph import Rewritten
from qat.origin import Origin
from qat.ptq.methods import tunes_weights
from qat.stages import PARTIAL, origin_of
from qat.stages.folders import IMAGES, METHODS, METRICS, QPARAMS
from qat.workflow.calibration_pictures import CalibrationPictures
from qat.workflow.load import device, load_calibration, load_graph, load_prepared
from qat.workflow.progress import Progress, counter, silent
from qat.workflow.run import folders_of, record_stage, run_of, twin
from qat.workflow.settings import backend_choice
from qat.workflow.tuner import Tuner, check_taken_over

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
    choice = backend_choice(config)
    log.info("%s", choice)
    if choice.backend.takes_over:
        check_taken_over(config, choice.backend.name)
        _calibrate_twin(config, progress)
        hand_over(config, "calib", progress)
    else:
        _tune(config, progress)
    folders = folders_of(config)
    methods = folders.stage("calib") / METHODS
    images = (folders.stage("calib") / IMAGES).read_text(encoding="utf-8").count("\n")
    return Calibration(folders.checkpoint("calib"), images, read_json(methods) if methods.is_file() else {})


def _tune(config: CfgNode, progress: Progress) -> None:
    """Calibrate on backend fx, with the methods that the config switches on."""
    stage = _Stage(config, "calib")
    loaded, rewritten = load_prepared(config)
    prepared = as_graph(loaded)
    done = resume_calibration(prepared, stage.folder / PARTIAL, stage.origin)
    tuner = Tuner.of(config, stage.pictures, stage.origin, resumed=done > 0, progress=progress)
    if not done:
        tuner.before(prepared)
    stage.observe(prepared, done, progress)
    tuner.after(prepared)
    stage.keep(prepared, rewritten)


def _calibrate_twin(config: CfgNode, progress: Progress) -> None:
    """Calibrate the run's twin on backend fx, unless it has finished."""
    other = twin(config)
    log.info("the methods run on backend fx, in %s", other.OUTPUT_DIR)
    try:
        load_calibration(other, stage="calib")
    except UserError:
        log.info("%s", backend_choice(other))
        _tune(other, progress)


def hand_over(config: CfgNode, stage_name: str, progress: Progress) -> None:
    """Make stage calib or qat of the plugin from the twin's: its weights, the plugin's own scales of activations.

    Weights keep the scales that a method or a training has rounded them by.
    """
    takes_over = backend_choice(config).backend.takes_over
    if takes_over is None:
        return
    stage, tuned = _Stage(config, stage_name), load_graph(twin(config), stage=stage_name)
    prepared, rewritten = load_prepared(config)
    takes_over.take_weights(prepared, tuned)
    done = resume_calibration(prepared, stage.folder / PARTIAL, stage.origin)
    stage.observe(prepared, done, progress)
    if stage_name == "qat" or tunes_weights(config.QUANT):
        takes_over.take_weight_scales(prepared, tuned)
    stage.keep(prepared, rewritten)


@dataclass(frozen=True)
class _Stage:
    """Stage calib or qat while it is made."""

    config: CfgNode
    name: str

    @cached_property
    def pictures(self) -> CalibrationPictures:
        """The calibration's."""
        return CalibrationPictures.of(self.config)

    @cached_property
    def origin(self) -> Origin:
        """What it is made from, the list of pictures too."""
        names = {"the image list (sha256)": sha256_text(self.pictures.names)}
        return origin_of(run_of(self.config), self.name).with_values(names)

    @property
    def folder(self) -> Path:
        """Where it lies."""
        return folders_of(self.config).stage(self.name)

    def observe(self, prepared: Prepared, done: int, progress: Progress) -> None:
        """Run the pictures after the first `done` batches, and say what saw nothing."""
        backend, quant, path = backend_choice(self.config).backend, self.config.QUANT, self.folder / PARTIAL
        left = -(-len(self.pictures.indices) // quant.CALIB_BATCH_SIZE) - done
        if done:
            log.info("going on after %d batches of a run that was stopped", done)
        if left > 0:
            advance = counter(progress, left, self.name)

            def after_batch(count: int) -> None:
                advance(1)
                if count % quant.SAVE_EVERY == 0:
                    save_calibration(prepared, path, count, self.origin)

            batches = self.pictures.batches(done, self.config.WORKERS)
            prepared.to(device(self.config))
            done = observe_all(prepared, batches, after_batch, done, backend.observe)
            save_calibration(prepared, path, done, self.origin)
        for node, why in backend.dead_observers(prepared):
            log.warning("dead observer: %s (%s)", node, why)

    def keep(self, prepared: Prepared, rewritten: Rewritten) -> None:
        """Write the folder."""
        pictures, checkpoint = self.pictures, folders_of(self.config).checkpoint(self.name)
        write_text(self.folder / IMAGES, pictures.names)
        write_json(self.folder / QPARAMS, backend_choice(self.config).backend.qparams(prepared))
        more = {"images": sha256_text(pictures.names), "rewrites": asdict(rewritten.log)}
        record_stage(self.config, self.name, more)
        save_calibration(prepared, checkpoint, len(pictures.indices), self.origin)
        (self.folder / METRICS).unlink(missing_ok=True)  # what was measured on an earlier one
        (self.folder / PARTIAL).unlink(missing_ok=True)
        log.info("calibrated on %d images -> %s", len(pictures.indices), checkpoint)
