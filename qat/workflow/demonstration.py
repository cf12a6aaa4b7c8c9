"""The demonstration: float, calibration and int8 once, with mIoU after every stage."""

from __future__ import annotations

from dataclasses import dataclass

from yacs.config import CfgNode

from qat.workflow.calibration import calibrate
from qat.workflow.evaluation import Evaluation, evaluate
from qat.workflow.progress import Progress, silent
from qat.workflow.target_check import Findings, check


@dataclass(frozen=True)
class Demo:
    """The check's findings, and the last stage's evaluation, which has the metrics of all stages."""

    check: Findings
    evaluation: Evaluation


def demo(config: CfgNode, progress: Progress = silent) -> Demo:
    """Check, evaluate float, calibrate, evaluate calib and int_infer against QUANT.GATE.

    Args:
        config: the run's config.
        progress: called with the steps done, the number of steps, and a text.

    Returns:
        The check's findings and the metrics of every stage.

    Raises:
        UserError: for every mistake that `check`, `calibrate` and `evaluate` report.
    """
    findings = check(config, progress)
    evaluate(config, progress, stage="float")
    calibrate(config, progress)
    evaluate(config, progress, stage="calib")
    return Demo(findings, evaluate(config, progress, stage="int_infer"))
