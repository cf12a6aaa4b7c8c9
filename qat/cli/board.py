"""Read J5's speed back: perf_model's JSON, what hrt_model_exec printed, and its profile, as one table."""

from __future__ import annotations

import argparse
from typing import Any

from qat.cli.output import Output


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own."""
    parser.add_argument("--perf", metavar="JSON", help="perf_model's JSON (default: the one in compile/perf_out)")
    parser.add_argument("--log", action="append", default=[], help="what hrt_model_exec printed; as often as there are")
    profile = "profiler.log or profiler.csv of --profile_path"
    parser.add_argument("--profile", metavar="FILE", action="append", default=[], help=profile)


def run(config: Any, args: argparse.Namespace, out: Output) -> None:
    """Read."""
    from qat.compile.horizon_csv import cell_table
    from qat.compile.horizon_perf import table
    from qat.compile.horizon_profile import node_table
    from qat.workflow.runtime_speed import read_board_speed

    speed = read_board_speed(config, out.progress, estimate=args.perf, logs=args.log, profiles=args.profile)
    rows = [table(list(speed.rows))] if speed.rows else []
    nodes = [node_table(speed.nodes)] if speed.nodes else []
    out.result(speed, *rows, *nodes, *map(cell_table, speed.cells), *([f"written to {speed.path}"] if rows else []))
