"""The whole road once, on the embedded default: float -> calib -> int8, mIoU after every stage."""

from __future__ import annotations

import argparse
from typing import Any

from qat.cli.output import Output


def run(config: Any, args: argparse.Namespace, out: Output) -> int:
    """Run every stage; returns 1 if int_infer fails QUANT.GATE."""
    from qat.evaluation.table import stage_table
    from qat.graph.tables import rule_table
    from qat.workflow.demonstration import demo

    done = demo(config, out.progress)
    rules = rule_table(done.check.log, done.check.proof_shape)
    out.result(done, rules, done.check.summary, stage_table(done.evaluation.stages), done.evaluation.verdict)
    return int(not done.evaluation.passed)
