"""What a calibration does beside observing: each method that the config switches on, in order."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import cached_property
from typing import Any

from torch import Tensor, fx
from yacs.config import CfgNode

from qat.analysis.sensitivity import most_sensitive
from qat.backends import calibration
from qat.backends.fx import fake_quantized
from qat.backends.scales import freeze_scales
from qat.data import data_loader
from qat.data.transforms import normalise
from qat.errors import UserError
from qat.evaluation.score import Score, Scorer
from qat.files import read_json, write_json
from qat.graph.shapes import propagate
from qat.models import resolve
from qat.origin import Origin
from qat.ptq.adaround import AdaRoundOptions, adaround
from qat.ptq.bias import correct_biases
from qat.ptq.equalise import channel_ranges, equalise
from qat.ptq.float_view import float_view
from qat.ptq.mixed_precision import hold_drop
from qat.ptq.observer_search import observer_candidates, search_observers
from qat.ptq.reconstruct import ReconstructOptions, reconstruct
from qat.stages import EQUALISED, PARTIAL
from qat.workflow import stages
from qat.workflow.calibration_pictures import CalibrationPictures
from qat.workflow.progress import Progress, counter

log = logging.getLogger(__name__)
METHODS = "methods.json"
BITS = {"j5": 16, "x86": 32}  # what mixed precision gives the layers that it keeps
CROP = (256, 192)  # width and height of the parts of pictures that reconstruction learns from


class Tuner:
    """The methods of one calibration. `made_from`: of stage calib.

    `record`: what each method did, kept in methods.json. A run that goes on (`resumed`) doesn't repeat what it holds.
    """

    def __init__(
        self,
        cfg: CfgNode,
        pictures: CalibrationPictures,
        made_from: Origin,
        resumed: bool,
        progress: Progress,
    ) -> None:
        self.progress = progress
        self.cfg, self.pictures, self.made_from = cfg, pictures, made_from
        self.folder = stages.stage_folder(cfg, "calib")
        path = self.folder / METHODS
        self.record: dict[str, Any] = read_json(path) if resumed and path.is_file() else {}

    def before(self, prepared: fx.GraphModule) -> None:
        """What comes before any statistics; the graph is on DEVICE then."""
        prepared.to(stages.device(self.cfg))
        if self.cfg.QUANT.EQUALISE:
            self._equalise(prepared)
            calibration.save(prepared, self.folder / EQUALISED, 0, self.made_from)

    def after(self, prepared: fx.GraphModule) -> None:
        """What starts from the statistics; the graph is on the CPU then, and settled."""
        prepared.to(stages.device(self.cfg))
        for key, method in AFTER.items():
            if self._wanted(key) and key not in self.record:
                method(self, prepared)
                self._save(prepared)
                write_json(self.folder / METHODS, self.record)
        freeze_scales(prepared)
        write_json(self.folder / METHODS, self.record)
        prepared.cpu()

    def _save(self, prepared: fx.GraphModule) -> None:
        path = self.folder / PARTIAL
        calibration.save(prepared, path, len(self.pictures.indices), self.made_from)

    def _wanted(self, key: str) -> bool:
        value = self.cfg.QUANT[key]
        return value == "auto" if key == "OBSERVER" else bool(value)

    @cached_property
    def plain(self) -> fx.GraphModule:
        """The float network that the calibrated one should agree with: rewritten, and equalised where that is on."""
        return float_view(stages.load_plain(self.cfg)).to(stages.device(self.cfg))

    @property
    def example(self) -> Tensor:
        """A picture of noise (1, 3, H, W) on DEVICE."""
        return stages.example_input(self.cfg).to(stages.device(self.cfg))

    @cached_property
    def judge(self) -> Callable[..., Score]:
        """The distance from float on training pictures that calibration doesn't see."""
        data, device = self.cfg.DATASET, stages.device(self.cfg)
        return Scorer(
            stages.load_stage(self.cfg, "float"),
            data_loader(self.pictures.dataset, 1, 0, indices=self.pictures.held_out()),
            data.NUM_CLASSES,
            to_input=lambda image: normalise(image, data.MEAN, data.STD, device),
            align_corners=self.cfg.MODEL.ALIGN_CORNERS,
            device=device,
        )

    @contextmanager
    def _timed(self, key: str) -> Iterator[dict[str, Any]]:
        start, found = time.perf_counter(), dict[str, Any]()
        yield found
        self.record[key] = found | {"seconds": time.perf_counter() - start}

    def _equalise(self, prepared: fx.GraphModule) -> None:
        with self._timed("EQUALISE") as record:
            ranges = channel_ranges(prepared, self.pictures.few())
            report = equalise(prepared, self.example, ranges)
            record |= asdict(report)
        largest = max((group.largest for group in report.applied), default=1.0)
        text = "equalised %d groups of tensors, largest factor %.1f; %d groups can't be (reasons in %s)"
        log.info(text, len(report.applied), largest, len(report.refused), METHODS)

    def _search(self, prepared: fx.GraphModule) -> None:
        judge = self.judge
        count = len(observer_candidates(prepared))
        with self._timed("OBSERVER") as record:
            scored = search_observers(prepared, judge, counter(self.progress, count, "observers"))
            record["tried"] = [asdict(one.candidate) | asdict(one.score) for one in scored]

    def _round(self, prepared: fx.GraphModule) -> None:
        options, state = AdaRoundOptions(), self.folder / "adaround.ckpt"
        freeze_scales(prepared)
        with self._timed("ADAROUND") as record:
            layers = adaround(prepared, self.pictures.batches, options, self._titled("adaround"), state)
            record["layers"] = [asdict(layer) for layer in layers]

    def _reconstruct(self, prepared: fx.GraphModule) -> None:
        step = resolve(self.cfg.MODEL.NAME).smallest_side
        width, height = (
            min(most, side // step * step) for most, side in zip(CROP, self.cfg.TEST.IMAGE_SIZE, strict=True)
        )
        options = ReconstructOptions((height, width), self.cfg.QUANT.RECONSTRUCT_STEPS)
        small = stages.load_prepared(self.cfg, prove=False, size=[width, height])[0].to(stages.device(self.cfg))
        small.load_state_dict(prepared.state_dict())
        floating, state = stages.load_stage(self.cfg, "float"), self.folder / "reconstruct.ckpt"
        with self._timed("RECONSTRUCT") as record:
            found = reconstruct(small, floating, self.pictures.batches, options, self._titled("reconstruct"), state)
            record |= asdict(found)
        prepared.load_state_dict(small.state_dict())
        log.info("%s", found)

    def _titled(self, title: str) -> Progress:
        """The progress of one method."""
        return lambda done, total, text: self.progress(done, total, f"{title}: {text}")

    def _correct(self, prepared: fx.GraphModule) -> None:
        freeze_scales(prepared)
        with self._timed("BIAS_CORRECTION") as record:
            record |= asdict(correct_biases(prepared, self.plain, self.pictures.batches))

    def _hold(self, prepared: fx.GraphModule) -> None:
        freeze_scales(prepared)
        floating = self.judge(self.plain).mean_iou
        if floating is None:
            raise UserError("QUANT.MAX_DROP is a bound on mIoU, and the training list has no labels; set it to 0")
        with self._timed("MAX_DROP") as record:
            propagate(prepared, [self.example])
            bound, bits = (floating, self.cfg.QUANT.MAX_DROP), BITS[self.cfg.QUANT.TARGET]
            kept = hold_drop(prepared, self._ranking(prepared), self._mean_iou, fake_quantized, bound, bits)
            record |= asdict(kept)
        log.info("%s", kept)

    def _ranking(self, prepared: fx.GraphModule) -> Callable[[], list[str]]:
        return lambda: most_sensitive(prepared, self.plain, self.pictures.few())

    def _mean_iou(self, network: Any) -> float:
        found = self.judge(network).mean_iou
        assert found is not None  # `_hold` looked
        return found


AFTER = {
    "OBSERVER": Tuner._search,
    "ADAROUND": Tuner._round,
    "RECONSTRUCT": Tuner._reconstruct,
    "BIAS_CORRECTION": Tuner._correct,
    "MAX_DROP": Tuner._hold,
}
"""The methods that start from the statistics, in order, by their key in QUANT."""


def check_plugin(cfg: CfgNode) -> None:
    """UserError for what only backend fx has."""
    wanted = ["OBSERVER auto"] * (cfg.QUANT.OBSERVER == "auto") + ["MAX_DROP"] * bool(cfg.QUANT.MAX_DROP)
    if wanted:
        raise UserError(
            f"QUANT.{wanted[0]} works on backend fx, and this run takes horizon; set QUANT.BACKEND fx (with "
            "QUANT.TARGET j5 it works on J5's grid), or switch it off"
        )
