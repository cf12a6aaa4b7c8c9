"""What came back from the vendor's image: results.json and results.npz, held against the bundle that was written."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from qat.compile.horizon_perf import PerfRow, perf_row
from qat.errors import UserError, as_user_error
from qat.evaluation import Result
from qat.evaluation.distance import Changes, Distance
from qat.evaluation.tasks.segmentation import SegmentationTally
from qat.files import read_json, sha256
from qat.handover.runner.plan import ANSWERS, FORMAT, PLAN, PROBES, RESULTS, WEIGHTS

STAGES = {"calib": "calib_probe", "qat": "qat", "int_infer": "int_probe"}  # the plugin's, and the step that probes each
_MOST = 1 << 30  # bytes of results.npz


@dataclass(frozen=True)
class Probed:
    """A stage on the probes alone: dB from float, the share (0 to 1) of classes that differ, seconds of the forward."""

    logit_sqnr: float
    pixels_changed: float
    forward_seconds: float


@dataclass(frozen=True)
class Returned:
    """The image's run. `probed` and `measured` by stage: on the probes, and on the labelled pictures where those ran.

    `logits`: of the probes, float32 (N, classes, h, w) by stage. `left`: steps that weren't run. `versions`: of Python,
    torch, numpy and the plugin there. `scales`: of activations.
    """

    versions: Mapping[str, str]
    probed: Mapping[str, Probed]
    logits: Mapping[str, np.ndarray]
    measured: Mapping[str, Result]
    perf: PerfRow | None
    left: tuple[str, ...]
    scales: Mapping[str, float]


def read_returned(folder: Path, bundle: Path, steps: Sequence[str], names: Sequence[str], classes: int) -> Returned:
    """Read what `folder` brought back.

    Args:
        folder: the bundle after run.py, or results.json and results.npz of it.
        bundle: as it was written here.
        steps: all of run.py's, by name.
        names: of the pictures that the bundle has labels of.
        classes: how many there are.

    Raises:
        UserError: for results of another plan or other weights, of another format, damaged, or without a single stage.
    """
    path = folder / RESULTS
    with as_user_error(f"{path} is damaged", "copy it again"):  # another structure leads anywhere
        return _returned(_checked(path, bundle), folder, bundle, steps, names, classes)


def _returned(
    results: Mapping[str, Any],
    folder: Path,
    bundle: Path,
    steps: Sequence[str],
    names: Sequence[str],
    classes: int,
) -> Returned:
    path = folder / RESULTS
    done = results["steps"]
    answers, probes = _answers(folder / ANSWERS), _answers(bundle / PROBES)
    stages = [stage for stage, step in STAGES.items() if "to_float" in done.get(step, {})]
    if not stages:
        raise UserError(f"{path} has no finished stage; run `python run.py` in the image first")
    probed = {stage: _probed(answers, probes["float"], stage, done[STAGES[stage]], folder) for stage in stages}
    perf = done.get("perf_model", {}).get("perf")
    return Returned(
        versions={str(name): str(value) for name, value in results["versions"].items()},
        probed=probed,
        logits={stage: answers[stage] for stage in stages},
        measured=_measured(done.get("evaluate", {}), stages, names, classes, path),
        perf=None if perf is None else perf_row(perf, f"perf_model's result in {path}"),
        left=tuple(step for step in steps if step not in done),
        scales={str(key): _number(value, path) for key, value in done.get("calibrate", {}).get("scales", {}).items()},
    )


def _checked(path: Path, bundle: Path) -> dict[str, Any]:
    results = read_json(path)
    keys = {"format", "plan_sha256", "weights_sha256", "versions", "steps"}
    if not isinstance(results, dict) or not keys <= results.keys():
        raise UserError(f"{path} holds no results of run.py; give the folder of the bundle that came back")
    if results["format"] != FORMAT:
        raise UserError(
            f"{path} has format {results['format']} and this version reads {FORMAT}; write the bundle again"
        )
    for name, key in ((PLAN, "plan_sha256"), (WEIGHTS, "weights_sha256")):
        if results[key] != sha256(bundle / name):
            raise UserError(f"{path} is of another run: its {name} isn't that of {bundle}; give what that bundle gave")
    steps = results["steps"]
    parts = [steps, results["versions"], *(steps.values() if isinstance(steps, dict) else ())]
    if not all(isinstance(part, dict) for part in parts):
        raise UserError(f"{path} is damaged: its steps aren't records; copy it again")
    return results


def _answers(path: Path) -> dict[str, np.ndarray]:
    try:
        if path.stat().st_size > _MOST:
            raise UserError(f"{path} is larger than {_MOST >> 20} MiB; expected the probes' logits")
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except UserError:
        raise
    except Exception as error:  # zip, zlib and numpy have errors of their own
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise UserError(f"can't read {path}: {reason}; copy it again") from error


def _probed(
    answers: Mapping[str, np.ndarray], floating: np.ndarray, stage: str, step: Mapping[str, Any], folder: Path
) -> Probed:
    given = answers.get(stage)
    if given is None or given.shape != floating.shape or given.dtype != floating.dtype or not np.isfinite(given).all():
        raise UserError(f"{folder / ANSWERS} has no logits of {stage} like the probes'; copy it again")
    distance, changes, pair = Distance(), Changes(), (torch.from_numpy(given), torch.from_numpy(floating))
    distance.update(*pair)
    changes.update(*(logits.argmax(1) for logits in pair))
    assert distance.logit_sqnr is not None
    assert changes.share is not None
    return Probed(distance.logit_sqnr, changes.share, _number(step.get("forward_seconds"), folder / RESULTS))


def _measured(
    step: Mapping[str, Any], stages: Sequence[str], names: Sequence[str], classes: int, path: Path
) -> dict[str, Result]:
    if "stages" not in step:
        return {}
    if step.get("pictures") != list(names):
        raise UserError(f"{path} was measured on other pictures than the bundle's; run `python run.py --again` there")
    return {stage: _result(step["stages"].get(stage), names, classes, path) for stage in stages}


def _result(record: Any, names: Sequence[str], classes: int, path: Path) -> Result:
    keys = ("seconds", "signal", "noise", "pixels", "changed")
    if not isinstance(record, dict):
        raise UserError(f"{path} is damaged: a stage without figures; copy it again")
    seconds, signal, noise, pixels, changed = (_number(record.get(key), path) for key in keys)
    tally = SegmentationTally(classes, Changes(changed, max(pixels, 1)))
    counts = np.asarray(record.get("confusion"))
    if counts.shape != (classes, classes) or counts.dtype.kind != "i" or (counts < 0).any():
        raise UserError(f"{path} is damaged: no {classes} x {classes} counts of classes; copy it again")
    tally.matrix.counts += torch.from_numpy(counts.astype(np.int64))
    tally.labelled = True
    sqnr = 10 * math.log10(signal / noise) if noise and signal else math.inf
    return Result(tuple(names), seconds, seconds, sqnr, tally)


def _number(value: Any, path: Path) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise UserError(f"{path} is damaged: {value!r} where a number is expected; copy it again")
    return float(value)
