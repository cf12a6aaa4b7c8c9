"""Read J5's speed back: perf_model's JSON and what hrt_model_exec printed, as one table and into perf.json."""

from __future__ import annotations

import argparse
from typing import Any

from qat.cli.output import Output


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own."""
    parser.add_argument("--perf", metavar="JSON", help="perf_model's JSON (default: the one in compile/perf_out)")
    parser.add_argument("--board", metavar="LOG", action="append", default=[], help="what hrt_model_exec printed")


def run(config: Any, args: argparse.Namespace, out: Output) -> None:
    """Read."""
    from qat.compile.horizon_perf import table
    from qat.workflow.runtime_speed import read_board_speed

    speed = read_board_speed(config, out.progress, estimate=args.perf, logs=args.board)
    out.result(speed, table(list(speed.rows)), f"written to {speed.path}")
