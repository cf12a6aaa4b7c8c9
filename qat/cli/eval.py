"""Measure a stage: mIoU over the whole set, how far it is from float, and the table of all stages so far."""

from __future__ import annotations

import argparse
from typing import Any

from qat.cli.output import Output
from qat.cli.processes import SHARED
from qat.stages.folders import STAGES

PROCESSES = SHARED


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own."""
    parser.add_argument("--stage", choices=STAGES, default="float")
    parser.add_argument("--gate", type=float, help="exit 1 if the stage keeps less of float's mIoU, such as 0.99")


def run(config: Any, args: argparse.Namespace, out: Output) -> int:
    """Evaluate; returns 1 if --gate was given and the stage is below it."""
    from qat.evaluation.table import stage_table, summary
    from qat.workflow.evaluation import evaluate

    result = evaluate(config, out.progress, stage=args.stage, gate=args.gate)
    lines = summary(result.stages[result.title]) + ([str(result.augmented)] if result.augmented else [])
    out.result(result, stage_table(result.stages), *lines, result.verdict)
    return int(args.gate is not None and not result.passed)
