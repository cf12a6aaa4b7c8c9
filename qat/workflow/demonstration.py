"""The whole road once: float, calibration, int8, mIoU after every stage."""

from __future__ import annotations

from dataclasses import dataclass

from yacs.config import CfgNode

from qat.workflow.calibration import calibrate
from qat.workflow.evaluation import Evaluation, evaluate
from qat.workflow.progress import Progress, silent
from qat.workflow.target_check import Findings, check


@dataclass(frozen=True)
class Demo:
    """What the check found, and the evaluation of the last stage, which holds them all."""

    check: Findings
    evaluation: Evaluation


def demo(config: CfgNode, progress: Progress = silent) -> Demo:
    """Check, evaluate float, calibrate, evaluate calib and int_infer against QUANT.GATE.

    Args:
        config: of the run.
        progress: takes steps done, all steps, a text.

    Returns:
        The check's findings and the metrics of every stage.

    Raises:
        UserError: as the stages raise it.
    """
    found = check(config, progress)
    evaluate(config, progress, stage="float")
    calibrate(config, progress)
    evaluate(config, progress, stage="calib")
    return Demo(found, evaluate(config, progress, stage="int_infer"))
