"""Our artefacts beside the peers': the same network, the same calibration pictures, one process, timed in turn.

Needs NNCF (`pip install nncf`, beside the extra `runtimes`) and the compile folder of the config (`rtseg-qat compile`).
"""

from __future__ import annotations

import argparse
from typing import Any

from qat.cli.output import Output

COLUMNS = ("form", "runtime", "median ms", "p90 ms", "of peer's", "mIoU", "pixels changed", "SQNR")


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own."""
    parser.add_argument("--rounds", type=int, default=20, help="timed rounds of each form (default: %(default)s)")


def run(config: Any, args: argparse.Namespace, out: Output) -> None:
    """Time and score."""
    from qat.environment import environment
    from qat.tables import slim_table
    from qat.workflow.peer_speed import bench_peers

    forms = bench_peers(config, out.progress, rounds=args.rounds)
    machine, (width, height) = environment(), config.TEST.IMAGE_SIZE
    place = f"{machine['cpu']}, {machine['threads']} threads; {width}x{height}, batch 1"
    table = slim_table(COLUMNS, left=COLUMNS[:2])
    for form in forms:
        table.add_row(form.form, form.runtime, *_cells(form))
    out.result(forms, place, table)


def _cells(form: Any) -> list[str]:
    """Speed, also against the peer in the same runtime, and accuracy."""
    accuracy, speed = form.accuracy, ["failed", "", ""]
    if form.median_ms is not None:
        share = "" if form.of_peer is None else f"{form.of_peer:.2f}x"
        speed = [f"{form.median_ms:.1f}", f"{form.p90_ms:.1f}", share]
    miou = "" if accuracy.main is None else f"{accuracy.main:.4f}"
    figures = (miou, f"{accuracy.changed:.3%}", f"{accuracy.logit_sqnr:.1f} dB")
    return [*speed, *figures]
