"""What sharing costs: a calibration's and an evaluation's pass in --processes N processes, timed."""

from __future__ import annotations

import argparse
from typing import Any

from qat.cli.output import Output
from qat.cli.processes import SHARED

PROCESSES = SHARED


def run(config: Any, args: argparse.Namespace, out: Output) -> None:
    """Measure."""
    from qat.tables import slim_table
    from qat.workflow.scale_speed import bench_scale

    done = bench_scale(config, out.progress)
    table = slim_table(
        ("pass", "processes", "pictures", "seconds", "ms a\npicture", "processor ms\na picture", "MB carried"),
        left=("pass",),
    )
    for row in done.passes:
        times = (f"{1e3 * seconds / row.images:.1f}" for seconds in (row.seconds, row.processor_seconds))
        carried = f"{row.carried / 1e6:.2f}"
        table.add_row(row.name, str(done.processes), str(row.images), f"{row.seconds:.1f}", *times, carried)
    out.result(
        done,
        f"{done.machine['cpu']}, {done.machine['threads']} threads a process, torch {done.machine['torch']}",
        table,
    )
