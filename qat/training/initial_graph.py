"""The graph that fine-tuning starts from: the calibration, or an equalised one if that is poor and not tuned."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, fx

from qat.backends import calibration
from qat.backends.scales import freeze_scales, quantisers
from qat.evaluation.metrics import passes
from qat.invocation import command
from qat.ptq.equalise import equalize
from qat.ptq.observer_search import choose


@dataclass(frozen=True)
class StartConfig:
    """`scales`: frozen, learnt or auto. `equalise`: auto or never. `gate`: share of float's mIoU that is good enough.

    `tuned`: the keys of QUANT that are on and that equalising would undo.
    """

    scales: str = "auto"
    equalise: str = "auto"
    gate: float = 0.99
    tuned: tuple[str, ...] = ()


@dataclass(frozen=True)
class Start:
    """Whether activation scales learn (by LSQ) and whether channels were equalised first, each with its reason."""

    scales_learn: bool
    equalised: bool
    reasons: tuple[str, str]

    @classmethod
    def of(cls, config: StartConfig, finished: Mapping[str, Mapping[str, Any]]) -> Start:
        """Chooses by the config; auto looks at `finished`, the stages' metrics by name."""
        scales_learn, why_scales = learns_scales(config, finished)
        equalised, why_equalised = equalises(config, finished)
        return cls(scales_learn, equalised, (why_scales, why_equalised))

    def record(self) -> dict[str, bool]:
        """Returns what the manifest records; a resumed run must have the same."""
        return {"scales learn": self.scales_learn, "equalised": self.equalised}

    def __str__(self) -> str:
        """The line that is logged."""
        scales, equalised = self.reasons
        return (
            f"activation scales are {'learnt' if self.scales_learn else 'frozen'}: {scales}; "
            f"channels are {'equalised first' if self.equalised else 'left as they are'}: {equalised}"
        )


def learns_scales(config: StartConfig, finished: Mapping[str, Mapping[str, Any]]) -> tuple[bool, str]:
    """Whether activation scales learn, and why; auto is the vendor's advice: those of a poor calibration do."""
    if config.scales != "auto":
        return config.scales == "learnt", f"QAT.SCALES is {config.scales}"
    return _is_poor(config.gate, finished)


def equalises(config: StartConfig, finished: Mapping[str, Mapping[str, Any]]) -> tuple[bool, str]:
    """Whether channels are equalised, and why; auto: after a poor calibration without methods."""
    if config.equalise != "auto":
        return False, f"QAT.EQUALISE is {config.equalise}"
    if config.tuned:
        return False, f"QUANT.{config.tuned[0]} is on"
    return _is_poor(config.gate, finished)


def _is_poor(gate: float, finished: Mapping[str, Mapping[str, Any]]) -> tuple[bool, str]:
    if not {"float", "calib"} <= finished.keys():
        return True, f"calib isn't evaluated ({command('eval', stage='calib')})"
    good = passes(finished["calib"], finished["float"], gate)
    return not good, f"calib {'passes' if good else 'fails'} QUANT.GATE {gate}"


def equalised_graph(
    prepared: fx.GraphModule,
    calibrated: fx.GraphModule,
    example: Tensor,
    pictures: tuple[Iterable[Tensor], Iterable[Tensor]],
    keep: Callable[[fx.GraphModule], None],
) -> fx.GraphModule:
    """`prepared`, which has seen nothing, equalised, calibrated and settled; on the CPU.

    `calibrated`: says by which observer. `pictures`: those for the channels' ranges, and all of the calibration, on the
    device of `prepared` and `example`. `keep` takes the graph as equalising leaves it.
    """
    few, batches = pictures
    equalize(prepared, few, example)
    keep(prepared)
    calibration.calibrate(prepared, batches)
    _choose_as(calibrated, prepared)
    freeze_scales(prepared)
    return prepared.cpu()


def _choose_as(calibrated: fx.GraphModule, prepared: fx.GraphModule) -> None:
    """Chooses ranges by the calibration's observer, which may come from QUANT.OBSERVER auto."""
    choose(prepared, next(quantiser.observer.choice for _, quantiser in quantisers(calibrated) if not quantiser.fixed))
