"""What to try next, from the numbers, in the order of the vendor's accuracy workflow.

That order (OpenExplorer's user guide): a better calibration; fine-tuning; is the quantised network what was simulated;
then, below 99 % of float, qconfigs, statistics, single layers, int16.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from qat.analysis.layer_error import above, worst_first
from qat.analysis.measurements import Measurements
from qat.engine import AUTO, PROGRAM
from qat.evaluation.tasks import task_in
from qat.invocation import Invocation
from qat.ptq.methods import method

SHARE = 0.25  # of the noise, from which on a cause is worth a remedy
OFF = 6.0  # dB above the best grid: as a scale twice too large or too small
GAIN = 1.0  # dB that one layer in float gives back
STEPS = 1.5  # a kernel's largest error in scale steps: roundings may fall to the other side, no more
NAMED = 3  # layers in a line
Quant = Mapping[str, Any]  # the QUANT section's values by key


@dataclass(frozen=True)
class Remedy:
    """Why something should be done (numbers), what, and the command that does it, with its `stage`.

    `options`: KEY, VALUE, ... that are added to the run's.
    """

    why: str
    to_try: str
    command: str
    options: tuple[str, ...] = ()
    stage: str = ""


def advise(measured: Measurements, quant: Quant, invocation: Invocation) -> dict[str, Any]:
    """The content of advice.json: steps with `why` (numbers), what to `try`, the `command`; none if all is well."""
    advisers = (_observer, _equalise, _adaround, _fine_tune, _kernels, _qconfig, _one_layer)
    remedies = (remedy for adviser in advisers for remedy in adviser(measured, quant))
    return {
        "steps": [
            {
                "why": each.why,
                "try": each.to_try,
                "command": invocation.advice(each.command, each.options, stage=each.stage),
            }
            for each in remedies
        ]
    }


def _names(names: list[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _noise(sqnr: float | None) -> float:
    """Noise relative to the signal; none where all is equal."""
    return 0.0 if sqnr is None else 10 ** (-sqnr / 10)


def _shares(measured: Measurements) -> dict[str, float]:
    """The noise of weights alone and of activations alone, as shares of their sum; 0 where it wasn't measured."""
    if measured.sensitivity is None:
        return {"weights": 0.0, "activations": 0.0}
    groups = measured.sensitivity["groups"]
    noise = {name: _noise(groups[name]["sqnr_db"]) for name in ("weights", "activations")}
    return {name: value / (sum(noise.values()) or 1.0) for name, value in noise.items()}


def _method(name: str, why: str) -> Remedy:
    """A calibration with one more method, as its row proposes."""
    advice = method(name).advice
    assert advice is not None
    return Remedy(why, advice[0], "calib", (f"QUANT.{name}", advice[1]))


def _observer(measured: Measurements, quant: Quant) -> Iterator[Remedy]:
    """Activations' scales: their share of the noise, or scales far from the best."""
    if method("OBSERVER").is_on(quant):
        return
    share, rows = _shares(measured)["activations"], worst_first(measured.layers["pairs"]["calib"]["layers"])
    off = [row["name"] for row in rows if (row["above_best_db"]["activation"] or 0) >= OFF]
    why = [f"rounding activations makes {share:.0%} of the noise"] if share >= 1 - SHARE else []
    why += (
        [f"scales at least {OFF:.0f} dB above the best: {_names(off)} (worst {above(rows[0]):.1f} dB)"] if off else []
    )
    if why:
        yield _method("OBSERVER", "; ".join(why))


def _equalise(measured: Measurements, quant: Quant) -> Iterator[Remedy]:
    unequal = [row["name"] for row in measured.ranges["layers"] if row["outlier_channels"]]
    if unequal and not method("EQUALISE").is_on(quant):
        why = f"channels far wider than the median in {len(unequal)} layers: {_names(unequal)}"
        yield _method("EQUALISE", why)


def _adaround(measured: Measurements, quant: Quant) -> Iterator[Remedy]:
    share = _shares(measured)["weights"]
    if share >= SHARE and not method("ADAROUND").is_on(quant):
        why = f"rounding weights makes {share:.0%} of the noise"
        yield _method("ADAROUND", why)


def _fine_tune(measured: Measurements, quant: Quant) -> Iterator[Remedy]:
    kept, gate = _kept(measured), float(quant["GATE"])
    if kept is not None and kept < gate:
        what = f"{kept:.2%} of float's {_score(measured)}"
        why = f"stage calib keeps {what} on these pictures, below the gate of {gate:.0%}"
        yield Remedy(why, "fine-tune, once calibration gives no more", "qat")


def _score(measured: Measurements) -> str:
    return task_in((measured.sensitivity or {}).get("float", {})).score_title


def _kept(measured: Measurements) -> float | None:
    """The share of float's score that stage calib keeps; None without labels."""
    if measured.sensitivity is None:
        return None
    before, now = measured.sensitivity["float"], measured.sensitivity["groups"]["all"]
    floating, calib = task_in(before).of(before), task_in(before).of(now)
    return calib / floating if floating and calib is not None else None


def _kernels(measured: Measurements, quant: Quant) -> Iterator[Remedy]:
    """Check the kernels: fed calib's tensors, a kernel must give calib's, up to roundings."""
    rows = measured.layers["pairs"]["int_infer"]["layers"]
    wrong = [row["name"] for row in rows if (row["isolated"]["max_steps"] or 0) > STEPS]
    if wrong:
        why = f"int8 kernels differ from stage calib by more than a rounding in {_names(wrong)}"
        engine = PROGRAM if quant["ENGINE"] == AUTO else AUTO
        yield Remedy(why, "another engine of int8 kernels", "eval", ("QUANT.ENGINE", engine), "int_infer")


def _qconfig(measured: Measurements, quant: Quant) -> Iterator[Remedy]:
    serious = [one for one in measured.qconfig["items"] if one["check"] not in ("unfused BN", "shared module")]
    if serious:
        checks = ", ".join(dict.fromkeys(one["check"] for one in serious))
        why = f"{len(serious)} items of the qconfig check to look at: {checks}"
        yield Remedy(why, "read qconfig_info.txt; change the model or QUANT.HIGH_PRECISION", "check")


def _one_layer(measured: Measurements, quant: Quant) -> Iterator[Remedy]:
    """Single layers that cost much: more bits for as few as the bound needs."""
    if measured.sensitivity is None or method("MAX_DROP").is_on(quant):
        return
    if task_in(measured.sensitivity["float"]).of(measured.sensitivity["float"]) is None:  # MAX_DROP is its bound
        return
    now = measured.sensitivity["groups"]["all"]["sqnr_db"]
    gains = {
        row["name"]: (row["alone_float"]["sqnr_db"] or now or 0) - (now or 0) for row in measured.sensitivity["layers"]
    }
    costly = sorted((name for name in gains if gains[name] >= GAIN), key=lambda name: -gains[name])
    if costly:
        why = f"one layer in float gives back {gains[costly[0]]:.1f} dB: {_names(costly)}"
        yield _method("MAX_DROP", why)
