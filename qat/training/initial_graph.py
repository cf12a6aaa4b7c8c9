"""Where fine-tuning starts: the calibration, or, where that is poor and nothing has tuned it, an equalised one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import fx
from yacs.config import CfgNode

from qat.backends import calibration
from qat.backends.scales import freeze_scales, quantisers
from qat.evaluation.metrics import passes
from qat.ptq.equalise import channel_ranges, equalise
from qat.ptq.methods import METHODS
from qat.ptq.observer_search import choose
from qat.stages import EQUALISED
from qat.workflow import stages
from qat.workflow.calibration_pictures import CalibrationPictures

_TUNED = (*METHODS, "MAX_DROP")  # what equalising would undo


@dataclass(frozen=True)
class Start:
    """`scales_learn`: activation scales too, by LSQ. `equalised`: channels, before training. Each with its reason."""

    scales_learn: bool
    equalised: bool
    reasons: tuple[str, str]

    @classmethod
    def of(cls, cfg: CfgNode, finished: Mapping[str, Mapping[str, Any]]) -> Start:
        """As QAT says; auto looks at `finished`, the stages' metrics by name."""
        (scales, why_scales), (equalised, why_equalised) = scales_learn(cfg, finished), equalises(cfg, finished)
        return cls(scales, equalised, (why_scales, why_equalised))

    def record(self) -> dict[str, bool]:
        """What the manifest says, and what a resumed run must share."""
        return {"scales learn": self.scales_learn, "equalised": self.equalised}

    def __str__(self) -> str:
        """The line that tools print."""
        scales, equalised = self.reasons
        return (
            f"activation scales are {'learnt' if self.scales_learn else 'frozen'}: {scales}; "
            f"channels are {'equalised first' if self.equalised else 'left as they are'}: {equalised}"
        )


def scales_learn(cfg: CfgNode, finished: Mapping[str, Mapping[str, Any]]) -> tuple[bool, str]:
    """Whether activation scales learn, and why; auto is the vendor's advice: those of a poor calibration do."""
    if cfg.QAT.SCALES != "auto":
        return cfg.QAT.SCALES == "learnt", f"QAT.SCALES is {cfg.QAT.SCALES}"
    return _is_poor(cfg, finished)


def equalises(cfg: CfgNode, finished: Mapping[str, Mapping[str, Any]]) -> tuple[bool, str]:
    """Whether channels are equalised, and why; auto: after a poor calibration without methods."""
    if cfg.QAT.EQUALISE != "auto":
        return False, f"QAT.EQUALISE is {cfg.QAT.EQUALISE}"
    tuned = [key for key in _TUNED if cfg.QUANT[key]]
    return (False, f"QUANT.{tuned[0]} is on") if tuned else _is_poor(cfg, finished)


def _is_poor(cfg: CfgNode, finished: Mapping[str, Mapping[str, Any]]) -> tuple[bool, str]:
    if not {"float", "calib"} <= finished.keys():
        return True, "calib isn't evaluated (make eval STAGE=calib)"
    good = passes(finished["calib"], finished["float"], cfg.QUANT.GATE)
    return not good, f"calib {'passes' if good else 'fails'} QUANT.GATE {cfg.QUANT.GATE}"


def starting_graph(cfg: CfgNode, start: Start, write: bool) -> fx.GraphModule:
    """The settled graph, for pictures of TEST.IMAGE_SIZE, that training starts from; UserError without a calibration.

    `write`: keep the equalised float network in the stage's folder, which later stages compare with.
    """
    calibrated = stages.load_calibration(cfg, stage="calib")
    path = stages.stage_folder(cfg, "qat") / EQUALISED
    if write:
        path.unlink(missing_ok=True)
    if not start.equalised:
        return calibrated
    pictures, (prepared, _) = CalibrationPictures.of(cfg), stages.load_prepared(cfg, prove=False)
    prepared.to(stages.device(cfg))
    example = stages.example_input(cfg).to(stages.device(cfg))
    equalise(prepared, example, channel_ranges(prepared, pictures.few()))
    if write:
        calibration.save(prepared, path, 0, stages.made_from(cfg, "qat"))
    calibration.calibrate(prepared, pictures.batches())
    _choose_as(calibrated, prepared)
    freeze_scales(prepared)
    return prepared.cpu()


def _choose_as(calibrated: fx.GraphModule, prepared: fx.GraphModule) -> None:
    """Choose ranges by the observer that the calibration uses, which QUANT.OBSERVER auto has found."""
    choose(prepared, next(quantiser.observer.choice for _, quantiser in quantisers(calibrated) if not quantiser.fixed))
