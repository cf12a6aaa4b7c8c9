"""Is each runtime good? Every artefact in every runtime that takes it, beside the stages."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.table import Table
from torch import Tensor

from qat.compile.artefacts import ArtefactSpec
from qat.compile.verify.samples import compared, predictions, same_of
from qat.compile.verify.stage_outputs import StageOutputs
from qat.errors import UserError
from qat.evaluation.outputs import Outputs
from qat.evaluation.tasks import Prediction, Tally, Task, task_in
from qat.runtimes import Adapter, executed_convolutions, get_runtime
from qat.runtimes.child_process import Isolated
from qat.runtimes.protocol import Session
from qat.tables import slim_table

Parity = dict[str, dict[str, dict[str, Any]]]  # artefact -> runtime -> figures
Checks = dict[str, dict[str, Any]]  # artefact -> figures of its comparison with a stage, nothing fused

SAME = 0.9999  # of float artefacts with float
WORSE = 0.0015  # more pixels changed than int_infer changes
LOST = 0.002  # less mIoU than int_infer's
DEVIATIONS = 2  # of a difference that chance alone may make
LUCK = 0.25  # of the pixels on which calib, moved by a few roundings, differs from itself: both limits, where larger


def compare_all(
    checks: Checks,
    artefacts: Sequence[ArtefactSpec],
    folder: Path,
    outputs: StageOutputs,
    runtimes: Sequence[str],
    log: Callable[[str], None],
) -> Parity:
    """Each artefact in each of its runtimes that is among `runtimes`."""
    parity: Parity = {spec.name: {} for spec in artefacts}
    for spec in artefacts:
        check = checks.get(spec.name, {})
        figures = {key: value for key, value in check.items() if key in ("agreement_reference", "repeatability")}
        for name in spec.runtimes:
            if name in runtimes:
                log(f"comparing {spec.name} in {name}")
                entry = compare(spec, get_runtime(name), folder, outputs, torch.get_num_threads())
                parity[spec.name][name] = figures | entry
    return parity


def absent(missing: Mapping[str, str], specs: Sequence[ArtefactSpec]) -> Parity:
    """The entries of files that couldn't be made, in the runtimes that they are for; `missing`: file -> why."""
    rows = {spec.name: spec.runtimes for spec in specs}
    return {
        name: {runtime: {"status": "missing", "reason": why} for runtime in rows[name]} for name, why in missing.items()
    }


def compare(spec: ArtefactSpec, runtime: Adapter, folder: Path, outputs: StageOutputs, threads: int) -> dict[str, Any]:
    """One artefact in one runtime: parity.json's entry. A crash, or a refusal, is an entry with the reason."""
    path = folder / spec.name
    try:
        session = Isolated(runtime).load(path, threads)
    except UserError as error:
        return {"status": "failed" if runtime.takes(path) else "refused", "reason": _reason(error, folder)}
    try:
        figures = judged(spec, run_all(session, outputs), outputs)
        return figures | (counted(session) if spec.is_int8 else {}) | ({"note": session.note} if session.note else {})
    except UserError as error:
        return {"status": "failed", "reason": _reason(error, folder)}
    finally:
        session.close()


def _reason(error: UserError, folder: Path) -> str:
    """The error's line, with files by their names, since the folder is a temporary one."""
    return str(error).replace(f"{folder}/", "")


def run_all(session: Session, outputs: StageOutputs) -> list[Prediction]:
    """The session's predictions of all pictures; UserError for NaN or infinity."""

    def run(image: Tensor) -> Outputs:
        found = tuple(torch.from_numpy(np.ascontiguousarray(output)) for output in session.run_all(image.numpy()))
        if any(one.is_floating_point() and not bool(one.isfinite().all()) for one in found):
            raise UserError(f"{session.artefact} gives NaN or infinity")
        return found[0] if len(found) == 1 else found

    images = [sample.image for sample in outputs.samples]
    return predictions(run, images, outputs.samples, outputs.align_corners, outputs.task)


def counted(session: Session) -> dict[str, Any]:
    """How many convolutions the runtime executed in int8, and in all; empty where it doesn't tell."""
    layers = session.layers()
    if not layers:
        return {}
    counts = executed_convolutions(layers)
    return {"convolutions_int8": counts.int8, "convolutions": counts.int8 + len(counts.others)}


def judged(spec: ArtefactSpec, chosen: list[Prediction], outputs: StageOutputs) -> dict[str, Any]:
    """The figures, and whether they are good enough."""
    beside = compared(chosen, outputs.int_infer, outputs.task)
    figures = {
        "agreement_int_infer": same_of(beside),
        outputs.task.changed: 1 - outputs.agreement(chosen, outputs.floating),
        outputs.task.score: outputs.score(chosen),
        "images": len(chosen),
    }
    reason = (
        _int8_fault(figures, _chance(beside), outputs) if spec.is_int8 else _float_fault(spec, figures, outputs.task)
    )
    return figures | {"status": "failed" if reason else "ok", "reason": reason}


def _int8_fault(figures: dict[str, Any], chance: float, outputs: StageOutputs) -> str:
    task = outputs.task
    luck = max(LUCK * (1 - outputs.repeatability), task.grain, chance)
    more, most = figures[task.changed] - outputs.changed, max(WORSE, luck)
    if more > most:
        return f"changes {more:.3%} more {task.unit} than int_infer (limit {most:.2%})"
    before, now, least = outputs.int_infer_score, figures[task.score], max(LOST, luck)
    if before is not None and now is not None and before - now > least:
        return f"loses {before - now:.2%} {task.score_title} against int_infer (limit {least:.1%})"
    return ""


def _chance(tally: Tally) -> float:
    """What chance alone may move a share by, where predictions differ each by itself; at most a half.

    Of `n` predictions in which two networks differ, the one's better less the other's has a deviation of the root
    of n (McNemar 1947, "Note on the sampling error of the difference between correlated proportions").
    """
    count = tally.apart
    return min(0.5, DEVIATIONS * math.sqrt((1 - same_of(tally)) * count) / count) if count else 0.0


def _float_fault(spec: ArtefactSpec, figures: dict[str, Any], task: Task) -> str:
    """Empty if all is well; weights stored in fewer bits change pixels by design."""
    same = 1 - figures[task.changed]
    if spec.is_exact and same < SAME - task.grain:
        return f"agrees with float on {same:.3%} of {task.unit} (limit {SAME - task.grain:.2%})"
    return ""


CAPTION = (
    "In percent. refer.: the file with nothing fused against stage calib, of float files "
    "against float; int8: against int_infer; float: {} changed against float; convs: executed in int8."
)


def parity_table(parity: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> Table:
    """One row per artefact and runtime."""
    entries = (entry for runtimes in parity.values() for entry in runtimes.values() if "agreement_int_infer" in entry)
    task = task_in(next(entries, {}))
    columns = ("artefact", "runtime", "same as\nrefer.", "same as\nint8", "changed\nfloat", task.score_title)
    left = ("artefact", "runtime", "status")
    table = slim_table((*columns, "int8\nconvs", "status"), left=left, caption=CAPTION.format(task.unit))
    for name, runtimes in parity.items():
        for runtime, entry in runtimes.items():
            table.add_row(name, runtime, *_figures(entry), _convolutions(entry), entry["status"])
    return table


def _figures(entry: Mapping[str, Any]) -> list[str]:
    task = task_in(entry)
    keys = ("agreement_reference", "agreement_int_infer", task.changed, task.score)
    return [
        f"{100 * entry[key]:.{2 if key == task.score else 3}f}" if entry.get(key) is not None else "" for key in keys
    ]


def _convolutions(entry: Mapping[str, Any]) -> str:
    return f"{entry['convolutions_int8']}/{entry['convolutions']}" if "convolutions" in entry else ""


def faults(parity: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> list[str]:
    """A line for each artefact in a runtime that failed, was refused, or is missing."""
    return [
        f"{name} in {runtime} {entry['status']}: {entry['reason']}"
        for name, runtimes in parity.items()
        for runtime, entry in runtimes.items()
        if entry["status"] != "ok"
    ]
