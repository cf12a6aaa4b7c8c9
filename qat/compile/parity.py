"""Two questions apart: is the file right, and is each runtime good?"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from qat.compile.made import Made
from qat.compile.network import Network
from qat.compile.pictures import Picture, agreement, classes, mean_iou
from qat.errors import UserError
from qat.runtimes import get_runtime
from qat.runtimes.isolate import Isolated
from qat.runtimes.protocol import Session

RIGHT = 0.999  # share of pixels on which a file must agree with calib, where calib agrees with itself that well
SLACK = 0.001  # below calib's agreement with itself
SAME = 0.9999  # of float artefacts with float
WORSE = 0.0015  # more pixels changed than int_infer changes
LOST = 0.002  # less mIoU than int_infer's


@dataclass(frozen=True)
class Expected:
    """The stages' classes of the pictures.

    `repeatability`: how well calib agrees with itself when it sums in another order. A sum's last bit decides some
    roundings, and one value that is rounded the other way moves many behind it.
    """

    floating: list[Tensor]
    calib: list[Tensor]
    int_infer: list[Tensor]
    repeatability: float
    pictures: Sequence[Picture]
    align_corners: bool
    num_classes: int

    @property
    def changed(self) -> float:
        """The share of pixels that int_infer changes."""
        return 1 - agreement(self.int_infer, self.floating)

    def iou(self, found: list[Tensor]) -> float | None:
        """mIoU of `found`."""
        return mean_iou(found, self.pictures, self.num_classes)


def expect(network: Network, pictures: Sequence[Picture], align_corners: bool, num_classes: int) -> Expected:
    """Run the stages on the pictures."""
    inputs = [picture.normalised for picture in pictures]

    def run(model: Callable[[Tensor], Tensor]) -> list[Tensor]:
        return classes(model, inputs, pictures, align_corners)

    calib = run(network.calib)
    with warnings.catch_warnings(), torch.backends.mkldnn.flags(enabled=False):
        warnings.simplefilter("ignore")
        again = run(network.calib)
    stages = run(network.floating), calib, run(network.int_infer)
    return Expected(*stages, agreement(calib, again), pictures, align_corners, num_classes)


def compare(made: Made, runtime: str, folder: Path, expected: Expected, threads: int) -> dict[str, Any]:
    """One artefact in one runtime: parity.json's entry. A crash, or a refusal, is an entry with the reason."""
    try:
        session = Isolated(get_runtime(runtime)).load(folder / made.name, threads)
    except UserError as error:
        return {"status": "refused", "reason": _reason(error, folder)}
    try:
        return judged(made, run_all(session, expected), expected) | ({"note": session.note} if session.note else {})
    except UserError as error:
        return {"status": "failed", "reason": _reason(error, folder)}
    finally:
        session.close()


def _reason(error: UserError, folder: Path) -> str:
    """The error's line; files by their names, since the folder is a temporary one."""
    return str(error).replace(f"{folder}/", "")


def run_all(session: Session, expected: Expected) -> list[Tensor]:
    """The session's classes of all pictures."""

    def run(image: Tensor) -> Tensor:
        output = torch.from_numpy(np.ascontiguousarray(session.run(image.numpy())))
        if output.is_floating_point() and not bool(output.isfinite().all()):
            raise UserError(f"{session.artefact} gives NaN or infinity")
        return output

    images = [picture.image for picture in expected.pictures]
    return classes(run, images, expected.pictures, expected.align_corners)


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
    before, now = expected.iou(expected.int_infer), figures["mean_iou"]
    if before is not None and now is not None and before - now > LOST:
        return f"loses {before - now:.2%} mIoU against int_infer (limit {LOST:.1%})"
    return ""


def _float_fault(made: Made, figures: dict[str, Any]) -> str:
    """Empty if all is well; weights stored in fewer bits change pixels by design."""
    same = 1 - figures["pixels_changed"]
    if "fp16" in made.name or "w8" in made.name or same >= SAME:
        return ""
    return f"agrees with float on {same:.3%} of pixels (limit {SAME:.2%})"
