"""Is each runtime good? Every artefact in every runtime that takes it, beside the stages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from qat.compile.artefacts import Made
from qat.compile.verify.samples import agreement, classes
from qat.compile.verify.stage_outputs import Expected
from qat.errors import UserError
from qat.runtimes import executed_convolutions, get_runtime
from qat.runtimes.artefact import read_artefact
from qat.runtimes.child_process import Isolated
from qat.runtimes.protocol import Runtime, Session

Parity = dict[str, dict[str, dict[str, Any]]]  # artefact -> runtime -> figures
Checks = dict[str, dict[str, Any]]  # artefact -> what its comparison with a stage, nothing fused, found

SAME = 0.9999  # of float artefacts with float
WORSE = 0.0015  # more pixels changed than int_infer changes
LOST = 0.002  # less mIoU than int_infer's


def compare_all(
    checks: Checks,
    made: Sequence[Made],
    folder: Path,
    expected: Expected,
    runtimes: Sequence[str],
    say: Callable[[str], None],
) -> Parity:
    """Each artefact in each of its runtimes that is among `runtimes`."""
    parity: Parity = {artefact.name: {} for artefact in made}
    for artefact in made:
        found = checks.get(artefact.name, {})
        known = {key: value for key, value in found.items() if key in ("agreement_reference", "repeatability")}
        for name in artefact.runtimes:
            if name in runtimes:
                say(f"comparing {artefact.name} in {name}")
                entry = compare(artefact, get_runtime(name), folder, expected, torch.get_num_threads())
                parity[artefact.name][name] = known | entry
    return parity


def compare(made: Made, runtime: Runtime, folder: Path, expected: Expected, threads: int) -> dict[str, Any]:
    """One artefact in one runtime: parity.json's entry. A crash, or a refusal, is an entry with the reason."""
    try:
        session = Isolated(runtime).load(folder / made.name, threads)
    except UserError as error:
        takes = read_artefact(folder / made.name).kind in runtime.kinds
        return {"status": "failed" if takes else "refused", "reason": _reason(error, folder)}
    try:
        found = judged(made, run_all(session, expected), expected)
        return found | (counted(session) if made.is_int8 else {}) | ({"note": session.note} if session.note else {})
    except UserError as error:
        return {"status": "failed", "reason": _reason(error, folder)}
    finally:
        session.close()


def _reason(error: UserError, folder: Path) -> str:
    """The error's line; files by their names, since the folder is a temporary one."""
    return str(error).replace(f"{folder}/", "")


def run_all(session: Session, expected: Expected) -> list[Tensor]:
    """The session's classes of all pictures; UserError for NaN or infinity."""

    def run(image: Tensor) -> Tensor:
        output = torch.from_numpy(np.ascontiguousarray(session.run(image.numpy())))
        if output.is_floating_point() and not bool(output.isfinite().all()):
            raise UserError(f"{session.artefact} gives NaN or infinity")
        return output

    images = [picture.image for picture in expected.pictures]
    return classes(run, images, expected.pictures, expected.align_corners)


def counted(session: Session) -> dict[str, Any]:
    """How many convolutions the runtime executed in int8, and in all; empty where it doesn't tell."""
    layers = session.layers()
    if not layers:
        return {}
    found = executed_convolutions(layers)
    return {"convolutions_int8": found.int8, "convolutions": found.int8 + len(found.others)}


def judged(made: Made, found: list[Tensor], expected: Expected) -> dict[str, Any]:
    """The figures, and whether they are good enough."""
    figures = {
        "agreement_int_infer": agreement(found, expected.int_infer),
        "pixels_changed": 1 - agreement(found, expected.floating),
        "mean_iou": expected.iou(found),
        "images": len(found),
    }
    reason = _int8_fault(figures, expected) if made.is_int8 else _float_fault(made, figures)
    return figures | {"status": "failed" if reason else "ok", "reason": reason}


def _int8_fault(figures: dict[str, Any], expected: Expected) -> str:
    more = figures["pixels_changed"] - expected.changed
    if more > WORSE:
        return f"changes {more:.3%} more pixels than int_infer (limit {WORSE:.2%})"
    before, now = expected.int_infer_iou, figures["mean_iou"]
    if before is not None and now is not None and before - now > LOST:
        return f"loses {before - now:.2%} mIoU against int_infer (limit {LOST:.1%})"
    return ""


def _float_fault(made: Made, figures: dict[str, Any]) -> str:
    """Empty if all is well; weights stored in fewer bits change pixels by design."""
    same = 1 - figures["pixels_changed"]
    if made.is_exact and same < SAME:
        return f"agrees with float on {same:.3%} of pixels (limit {SAME:.2%})"
    return ""
