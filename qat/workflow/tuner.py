"""The methods of a calibration: each one that section QUANT switches on, in order."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor, fx
from yacs.config import CfgNode

from qat.analysis.sensitivity import most_sensitive
from qat.backends.calibration import Record, save_calibration
from qat.backends.fx import float_view
from qat.backends.fx.backend import as_graph
from qat.backends.scales import freeze_scales
from qat.backends.select import TUNES
from qat.data import data_loader
from qat.data.transforms import network_input
from qat.distributed import Group, current
from qat.errors import UserError
from qat.evaluation.scorer import Scorer
from qat.files import known_sha256, remove, write_json
from qat.origin import Origin
from qat.ptq.context import Context, Share
from qat.ptq.methods import Method, active, not_taken_over
from qat.ptq.methods import method as find_method
from qat.stages import EQUALISED, PARTIAL
from qat.stages.folders import METHODS
from qat.workflow.calibration_pictures import CalibrationPictures
from qat.workflow.load import device, example_input, load_equalised, load_prepared, load_stage
from qat.workflow.network import network_spec, task_of
from qat.workflow.progress import Progress, silent
from qat.workflow.run import folders_of
from qat.workflow.settings import fit_of, graph_size
from qat.workflow.sharing import state_of

log = logging.getLogger(__name__)
CROP = (256, 192)  # width and height of the parts of pictures that reconstruction learns from


@dataclass(frozen=True)
class Tuner:
    """Runs the methods of one calibration, which sees `images` pictures and is made from `origin`, on `device`.

    `record`: what each method did, kept in the state. A resumed run doesn't repeat the methods in it.
    """

    methods: tuple[Method, ...]
    context: Context
    origin: Origin
    images: int
    device: torch.device
    record: dict[str, Any]

    @classmethod
    def of(
        cls, config: CfgNode, pictures: CalibrationPictures, origin: Origin, resumed: Record | None, progress: Progress
    ) -> Tuner:
        """The tuner that the config describes; `resumed`: the record of the state that the run continues from."""
        methods = active(config.QUANT)
        if any("judge" in method.needs for method in methods):
            pictures.held_out()  # before anything is computed
        record = dict(resumed.methods) if resumed else {}
        context = _context(config, pictures, progress)
        return cls(methods, context, origin, len(pictures.indices), device(config), record)

    def before(self, prepared: fx.GraphModule) -> None:
        """Run the methods that come before any statistics; this leaves the graph on DEVICE."""
        prepared.to(self.device)
        remove(self.context.folder / PARTIAL)  # of other inputs, or damaged
        self._write()  # replaces an earlier calibration's record
        for method in self.methods:
            if method.before_statistics:
                self._run(method, prepared)
                save_calibration(prepared, self.context.folder / EQUALISED, 0, self.origin)

    def after(self, prepared: fx.GraphModule) -> None:
        """Run the methods that start from the statistics; this leaves the graph on the CPU, with frozen scales."""
        prepared.to(self.device)
        for method in self.methods:
            if not method.before_statistics and method.name not in self.record:
                self._run(method, prepared)
                save_calibration(prepared, self.context.folder / PARTIAL, self.images, self.origin, self.kept)
        freeze_scales(prepared)
        self._write()
        prepared.cpu()

    @property
    def kept(self) -> Record:
        """What belongs to the state."""
        path = self.context.folder / EQUALISED
        equalised = path.is_file() and any(method.before_statistics for method in self.methods)
        return Record(dict(self.record), {}, known_sha256(path) if equalised else "")

    def _run(self, method: Method, prepared: fx.GraphModule) -> None:
        start = time.perf_counter()
        outcome = method.tune(prepared, self.context)
        self.record[method.name] = {**outcome.record, "seconds": time.perf_counter() - start}
        if outcome.text:
            log.info("%s", outcome.text)

    def _write(self) -> None:
        write_json(self.context.folder / METHODS, self.record)


def _context(config: CfgNode, pictures: CalibrationPictures, progress: Progress, share: Share | None = None) -> Context:
    """Returns what the methods may ask for; costly parts are made once, on first use."""

    def plain() -> fx.GraphModule:
        return float_view(load_equalised(config)).to(device(config))

    def judge() -> Scorer:
        return _scorer(config, pictures)

    def ranking(prepared: fx.GraphModule, plain: fx.GraphModule) -> list[str]:
        return most_sensitive(prepared, plain, pictures.few())

    return Context(
        quant=config.QUANT,
        folder=folders_of(config).stage("calib"),
        batches=pictures.batches,
        for_ranges=pictures.for_ranges,
        example=lambda: _example(config),
        floating=lambda: load_stage(config, "float"),
        plain=cache(plain),
        judge=cache(judge),
        ranking=ranking,
        cropped=lambda: _cropped(config),
        progress=progress,
        share=share or partial(_share, config),
    )


def _share(config: CfgNode, name: str, prepared: fx.GraphModule) -> Group:
    """Lets the other processes run a method on the graph too."""
    group = current()
    group.start(_help, config, name, state_of(prepared))
    return group


def _help(group: Group, config: CfgNode, name: str, state: Mapping[str, Tensor]) -> None:
    """What the other processes do of a method that shares its pictures."""
    prepared = as_graph(load_prepared(config, prove=False)[0])
    prepared.load_state_dict(state)
    prepared.to(device(config))
    context = _context(config, CalibrationPictures.of(config), silent, lambda name, graph: group)
    find_method(name).tune(prepared, context)


def _example(config: CfgNode) -> Tensor:
    """Returns a picture of noise (1, 3, H, W) on DEVICE."""
    return example_input(config).to(device(config))


def _scorer(config: CfgNode, pictures: CalibrationPictures) -> Scorer:
    """Returns the scorer of the distance from float, on training pictures that calibration doesn't see."""
    data, fit, where = config.DATASET, fit_of(config), device(config)
    return Scorer(
        load_stage(config, "float"),
        data_loader(pictures.dataset, 1, 0, indices=pictures.held_out()),
        data.NUM_CLASSES,
        to_input=lambda image: network_input(image, data.MEAN, data.STD, fit, where),
        align_corners=config.MODEL.ALIGN_CORNERS,
        fit=fit,
        device=where,
        task=task_of(config),
        group=current(),
    )


def _cropped(config: CfgNode) -> tuple[fx.GraphModule, tuple[int, int]]:
    """Returns the prepared graph for crops of pictures, and their height and width."""
    step, sides = network_spec(config).smallest_side, zip(CROP, graph_size(config), strict=True)
    width, height = (min(most, side // step * step) for most, side in sides)
    prepared = as_graph(load_prepared(config, prove=False, size=[width, height])[0])
    prepared.to(device(config))
    return prepared, (height, width)


def check_taken_over(config: CfgNode, backend: str) -> None:
    """Raises UserError for a method whose result `backend` can't take over."""
    refused = not_taken_over(config.QUANT)
    if refused:
        raise UserError(
            f"QUANT.{refused[0].title} works on backend {TUNES}, and this run takes {backend}; set QUANT.BACKEND "
            f"{TUNES} (with QUANT.TARGET j5 it works on J5's grid), or switch it off"
        )
