"""Speed, as ratios of things timed in turn in one process: forward passes, evaluation end to end, calibration."""

from __future__ import annotations

import argparse
from typing import Any

from qat.cli.output import Output


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own."""
    parser.add_argument("--rounds", type=int, default=15, help="timed rounds of each form (default: %(default)s)")
    parser.add_argument("--images", type=int, default=24, help="generated pictures (default: %(default)s)")


def run(config: Any, args: argparse.Namespace, out: Output) -> None:
    """Measure."""
    from qat.tables import slim_table
    from qat.workflow.speed import bench

    done = bench(config, out.progress, rounds=args.rounds, images=args.images)
    table = slim_table(("forward", "median ms", "min ms", "float eager / this"), left=("forward",))
    for row in done.forwards:
        table.add_row(row.name, f"{row.median_ms:.1f}", f"{row.min_ms:.1f}", f"{row.speed_up:.2f}x")
    out.result(
        done,
        f"{done.machine['cpu']}, {done.machine['threads']} threads, torch {done.machine['torch']}",
        f"{done.network} of {done.weights}, {done.size[0]}x{done.size[1]}",
        f"calibration, {done.observer}: {done.calibration_seconds:.1f} s for {done.images} pictures in memory",
        table,
        f"evaluation end to end / its forward: {done.eval_over_forward:.2f}x ({done.eval_ms:.0f} ms a picture)",
    )
