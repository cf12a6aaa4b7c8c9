"""What to try next, from the numbers, in the order of the vendor's accuracy workflow.

That order (OpenExplorer's user guide): a better calibration; fine-tuning; is the quantised network what was simulated;
then, below 99 % of float, qconfigs, statistics, single layers, int16.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from qat.analysis.layer_error import above, worst_first

SHARE = 0.25  # of the noise, from which on a cause is worth a remedy
OFF = 6.0  # dB above the best grid: as a scale twice too large or too small
GAIN = 1.0  # dB that one layer in float gives back
STEPS = 1.5  # a kernel's largest error in scale steps: roundings may fall to the other side, no more
NAMED = 3  # layers in a line

Step = dict[str, str]


@dataclass(frozen=True)
class Findings:
    """The contents of the JSON files; `sensitivity` is None where it wasn't measured."""

    layers: dict[str, Any]
    ranges: dict[str, Any]
    sensitivity: dict[str, Any] | None
    qconfig: dict[str, Any]


@dataclass(frozen=True)
class Settings:
    """The run: the QUANT section's values by key, the config's path, and KEY, VALUE, ... of the command line."""

    quant: dict[str, Any]
    cfg: str
    opts: Sequence[str]

    def make(self, target: str, more: str = "") -> str:
        """The command that makes `target` with this run's config, its options (not those of debug) and `more`."""
        pairs = zip(self.opts[::2], self.opts[1::2], strict=True)
        kept = [f"{key} {value}" for key, value in pairs if not key.startswith("DEBUG.")]
        opts = " ".join([*kept, more] if more else kept)
        return f"make {target} CFG={self.cfg}" + (f' OPTS="{opts}"' if opts else "")


def advise(found: Findings, settings: Settings) -> dict[str, Any]:
    """The content of advice.json: steps with `why` (numbers), what to `try`, the `command`; none if all is well."""
    advisers = (_observer, _equalise, _adaround, _fine_tune, _kernels, _qconfig, _one_layer)
    return {"steps": [step for adviser in advisers for step in adviser(found, settings)]}


def _step(why: str, to_try: str, command: str) -> Step:
    return {"why": why, "try": to_try, "command": command}


def _names(names: list[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _noise(sqnr: float | None) -> float:
    """Noise relative to the signal; none where all is equal."""
    return 0.0 if sqnr is None else 10 ** (-sqnr / 10)


def _shares(found: Findings) -> dict[str, float]:
    """The noise of weights alone and of activations alone, as shares of their sum; 0 where it wasn't measured."""
    if found.sensitivity is None:
        return {"weights": 0.0, "activations": 0.0}
    groups = found.sensitivity["groups"]
    noise = {name: _noise(groups[name]["sqnr_db"]) for name in ("weights", "activations")}
    return {name: value / (sum(noise.values()) or 1.0) for name, value in noise.items()}


def _observer(found: Findings, settings: Settings) -> Iterator[Step]:
    """Activations' scales: their share of the noise, or scales far from the best."""
    if settings.quant["OBSERVER"] == "auto":
        return
    share, rows = _shares(found)["activations"], worst_first(found.layers["pairs"]["calib"]["layers"])
    off = [row["name"] for row in rows if (row["above_best_db"]["activation"] or 0) >= OFF]
    why = [f"rounding activations makes {share:.0%} of the noise"] if share >= 1 - SHARE else []
    why += (
        [f"scales at least {OFF:.0f} dB above the best: {_names(off)} (worst {above(rows[0]):.1f} dB)"] if off else []
    )
    if why:
        command = settings.make("calib", "QUANT.OBSERVER auto")
        yield _step("; ".join(why), "choose the observer on held-out pictures", command)


def _equalise(found: Findings, settings: Settings) -> Iterator[Step]:
    unequal = [row["name"] for row in found.ranges["layers"] if row["outlier_channels"]]
    if unequal and not settings.quant["EQUALISE"]:
        why = f"channels far wider than the median in {len(unequal)} layers: {_names(unequal)}"
        yield _step(why, "equalise channels across layers", settings.make("calib", "QUANT.EQUALISE True"))


def _adaround(found: Findings, settings: Settings) -> Iterator[Step]:
    share = _shares(found)["weights"]
    if share >= SHARE and not settings.quant["ADAROUND"]:
        why = f"rounding weights makes {share:.0%} of the noise"
        yield _step(why, "learn which way each weight is rounded", settings.make("calib", "QUANT.ADAROUND True"))


def _fine_tune(found: Findings, settings: Settings) -> Iterator[Step]:
    kept, gate = _kept(found), float(settings.quant["GATE"])
    if kept is not None and kept < gate:
        why = f"stage calib keeps {kept:.2%} of float's mIoU on these pictures, below the gate of {gate:.0%}"
        yield _step(why, "fine-tune, once calibration gives no more", settings.make("qat"))


def _kept(found: Findings) -> float | None:
    """The share of float's mIoU that stage calib keeps; None without labels."""
    if found.sensitivity is None:
        return None
    floating, calib = found.sensitivity["float"]["mean_iou"], found.sensitivity["groups"]["all"]["mean_iou"]
    return calib / floating if floating else None


def _kernels(found: Findings, settings: Settings) -> Iterator[Step]:
    """Given calib's tensors, a kernel must give calib's, up to roundings."""
    rows = found.layers["pairs"]["int_infer"]["layers"]
    wrong = [row["name"] for row in rows if (row["isolated"]["max_steps"] or 0) > STEPS]
    if wrong:
        why = f"int8 kernels differ from stage calib by more than a rounding in {_names(wrong)}"
        other = "onednn" if settings.quant["ENGINE"] in ("auto", "x86") else "x86"
        command = settings.make("eval", f"QUANT.ENGINE {other}").replace(" CFG", " STAGE=int_infer CFG")
        yield _step(why, "another engine of int8 kernels", command)


def _qconfig(found: Findings, settings: Settings) -> Iterator[Step]:
    serious = [one for one in found.qconfig["items"] if one["check"] not in ("unfused BN", "shared module")]
    if serious:
        checks = ", ".join(dict.fromkeys(one["check"] for one in serious))
        why = f"{len(serious)} items of the qconfig check to look at: {checks}"
        yield _step(why, "read qconfig_info.txt; change the model or QUANT.HIGH_PRECISION", settings.make("check"))


def _one_layer(found: Findings, settings: Settings) -> Iterator[Step]:
    """Single layers that cost much: more bits for as few as the bound needs."""
    if found.sensitivity is None or settings.quant["MAX_DROP"]:
        return
    now = found.sensitivity["groups"]["all"]["sqnr_db"]
    gains = {
        row["name"]: (row["alone_float"]["sqnr_db"] or now or 0) - (now or 0) for row in found.sensitivity["layers"]
    }
    costly = sorted((name for name in gains if gains[name] >= GAIN), key=lambda name: -gains[name])
    if costly:
        why = f"one layer in float gives back {gains[costly[0]]:.1f} dB: {_names(costly)}"
        yield _step(why, "more bits for the fewest layers", settings.make("calib", "QUANT.MAX_DROP 0.0005"))
