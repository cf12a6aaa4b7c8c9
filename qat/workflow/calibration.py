"""Calibrate: run training images through the rewritten network and choose every activation's scale."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from yacs.config import CfgNode

from qat.backends.calibration import Record, recorded, resume_calibration, save_calibration
from qat.backends.fx.backend import as_graph
from qat.backends.fx.islands import islands
from qat.backends.protocol import Prepared
from qat.distributed import current
from qat.errors import UserError
from qat.files import json_text, remove, sha256_text
from qat.graph import Rewritten
from qat.origin import Origin
from qat.ptq.methods import tunes_weights
from qat.stages import EQUALISED, PARTIAL, origin_of, write_views
from qat.stages.folders import CONFIG, FIGURES, IMAGES, MANIFEST, METHODS, METRICS, QPARAMS
from qat.workflow.calibration_pictures import CalibrationPictures
from qat.workflow.load import load_calibration, load_graph, load_prepared
from qat.workflow.network import task_of
from qat.workflow.observing import observe_together
from qat.workflow.progress import Progress, silent
from qat.workflow.run import folders_of, record_stage, run_of, twin
from qat.workflow.settings import backend_choice, data_spec
from qat.workflow.tuner import Tuner, check_taken_over

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Calibration:
    """The stage's checkpoint, the number of pictures, and what each method did, by its key in QUANT."""

    checkpoint: Path
    images: int
    methods: Mapping[str, Any]


def calibrate(config: CfgNode, progress: Progress = silent) -> Calibration:
    """Calibrate: choose every activation's scale; an interrupted run continues from its last saved state.

    The methods run on backend fx. Horizon's plugin takes over their weights, since both have the same grid.

    Args:
        config: the run's config.
        progress: called with the steps done, the number of steps, and a text.

    Returns:
        The checkpoint, the number of pictures and the methods' records; calib-checkpoint-last.ckpt, qparams.json,
        images.txt and methods.json (backend fx) lie in the stage's folder.

    Raises:
        UserError: if the float checkpoint or pictures are missing, if a picture doesn't have TEST.IMAGE_SIZE, if an
            activation has NaN or infinity, or if a method can't run on this backend.
    """
    task_of(config)
    data_spec(config)  # refuses labels of another task
    _check_order(config)
    choice = backend_choice(config)
    log.info("%s", choice)
    if choice.backend.takes_over:
        check_taken_over(config, choice.backend.name)
        _calibrate_twin(config, progress)
        hand_over(config, "calib", progress)
    else:
        _tune(config, progress)
    folders = folders_of(config)
    record = recorded(folders.checkpoint("calib"))
    return Calibration(folders.checkpoint("calib"), record.views[IMAGES].count("\n"), record.methods)


def _check_order(config: CfgNode) -> None:
    """UserError for statistics that several processes can't add up."""
    constant, processes = config.QUANT.AVERAGING_CONSTANT, current().world
    if constant is not None and processes > 1:
        raise UserError(
            f"QUANT.AVERAGING_CONSTANT is {constant}, and a moving average depends on the order of the batches, which "
            f"{processes} processes don't keep; set it None, or calibrate in one process"
        )


def _tune(config: CfgNode, progress: Progress) -> None:
    """Calibrates on backend fx, with the methods that the config switches on."""
    stage = _Stage(config, "calib")
    loaded, rewritten = load_prepared(config)
    prepared = as_graph(loaded)
    for island in islands(prepared):  # QUANT.ALLOW_FLOAT lets them be
        log.info("in float between int8 layers: %s", island)
    done = resume_calibration(prepared, stage.folder / PARTIAL, stage.origin)
    resumed = recorded(stage.folder / PARTIAL) if done else None
    tuner = Tuner.of(config, stage.pictures, stage.origin, resumed, progress)
    if not done:
        tuner.before(prepared)
    stage.observe(prepared, done, progress, tuner.kept)
    tuner.after(prepared)
    stage.keep(prepared, rewritten, tuner.kept)


def _calibrate_twin(config: CfgNode, progress: Progress) -> None:
    """Calibrates the run's twin on backend fx, unless that is done."""
    fx_config = twin(config)
    log.info("the methods run on backend fx, in %s", fx_config.OUTPUT_DIR)
    try:
        load_calibration(fx_config, stage="calib")
    except UserError:
        log.info("%s", backend_choice(fx_config))
        _tune(fx_config, progress)


def hand_over(config: CfgNode, stage_name: str, progress: Progress) -> None:
    """Makes stage calib or qat of the plugin: weights from the twin on fx, activation scales from its own observers.

    Weights keep the scales by which a method or a training has rounded them.
    """
    takes_over = backend_choice(config).backend.takes_over
    if takes_over is None:
        return
    stage, tuned = _Stage(config, stage_name), load_graph(twin(config), stage=stage_name)
    prepared, rewritten = load_prepared(config)
    takes_over.take_weights(prepared, tuned)
    done = resume_calibration(prepared, stage.folder / PARTIAL, stage.origin)
    stage.observe(prepared, done, progress, Record())
    if stage_name == "qat" or tunes_weights(config.QUANT):
        takes_over.take_weight_scales(prepared, tuned)
    stage.keep(prepared, rewritten, Record())


@dataclass(frozen=True)
class _Stage:
    """Stage calib or qat in the making."""

    config: CfgNode
    name: str

    @cached_property
    def pictures(self) -> CalibrationPictures:
        """The calibration's pictures."""
        return CalibrationPictures.of(self.config)

    @cached_property
    def origin(self) -> Origin:
        """What decides the stage, including the list of pictures and what they hold."""
        names = {"the image list (sha256)": sha256_text(self.pictures.names), **self.pictures.content}
        return origin_of(run_of(self.config), self.name).with_values(names)

    @property
    def folder(self) -> Path:
        """The stage's folder."""
        return folders_of(self.config).stage(self.name)

    def observe(self, prepared: Prepared, done: int, progress: Progress, record: Record) -> None:
        """Run the pictures after the first `done` batches, and warn about observers that saw nothing."""
        backend = backend_choice(self.config).backend
        if done:
            log.info("going on after %d batches of a run that was stopped", done)

        def save(count: int) -> None:
            save_calibration(prepared, self.folder / PARTIAL, count, self.origin, record)

        observe_together(self.pictures, prepared, done, progress, self.name, save, backend.observe)
        for node, why in backend.dead_observers(prepared):
            log.warning("dead observer: %s (%s)", node, why)

    def keep(self, prepared: Prepared, rewritten: Rewritten, record: Record) -> None:
        """Write the stage's state, which takes its place in one step, and what is written out of it."""
        pictures, checkpoint = self.pictures, folders_of(self.config).checkpoint(self.name)
        more = {"images": sha256_text(pictures.names), **pictures.content, "rewrites": asdict(rewritten.log)}
        views = {
            IMAGES: pictures.names,
            QPARAMS: json_text(backend_choice(self.config).backend.qparams(prepared)),
            MANIFEST: json_text(record_stage(self.config, self.name, more)),
            CONFIG: self.config.dump(),
        }
        if backend_choice(self.config).backend.takes_over is None:
            views[METHODS] = json_text(record.methods)
        whole = Record(record.methods, views, record.equalised)
        save_calibration(prepared, checkpoint, len(pictures.indices), self.origin, whole)
        forget(self.folder, FIGURES, METRICS, PARTIAL, *([] if record.equalised else [EQUALISED]))
        write_views(self.folder)


def forget(folder: Path, *names: str) -> None:
    """Remove what an earlier run of a stage left; the state that is there now doesn't ask for it."""
    for name in names:
        remove(folder / name)
