"""Run every stage and runtime anew and hold each figure, also each class's IoU, against a baseline."""

from __future__ import annotations

import argparse
from typing import Any

from qat.cli.output import Output


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own."""
    parser.add_argument("--baseline", default="", metavar="FILE", help="path or name (default: <data set>/<config>)")
    parser.add_argument("--update", action="store_true", help="write the baseline from this run")


def run(config: Any, args: argparse.Namespace, out: Output) -> int:
    """Measure; returns 1 if a row fell."""
    from qat.evaluation.regression import regression_table
    from qat.workflow.regression import regress

    done = regress(config, out.progress, baseline=args.baseline, update=args.update)
    fell = [f"fell: {row.line}" for row in done.fell]
    count = len(done.rows) - len(fell)
    verdict = (
        f"{count} of {len(done.rows)} rows held or weren't run, {len(fell)} fell; the gate is {done.gate:.2%} of float"
    )
    written = [f"baseline -> {done.baseline}"] if done.updated else []
    out.result(done, regression_table(done.rows), *done.remarks, *fell, verdict, *written, f"{done.folder}")
    return int(not done.passed)
