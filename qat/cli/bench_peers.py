"""Our artefacts beside the peers': the same network, the same calibration pictures, one process, timed in turn.

Needs NNCF (`pip install nncf`, beside the extra `runtimes`) and the compile folder of the config (`make compile`).
"""

from __future__ import annotations

import argparse
from typing import Any

from qat.cli.output import Output


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own."""
    parser.add_argument("--rounds", type=int, default=20, help="timed rounds of each form (default: %(default)s)")


def run(config: Any, args: argparse.Namespace, out: Output) -> None:
    """Time and score."""
    from qat.environment import environment
    from qat.workflow.bench_peers import bench_peers, peer_table

    forms = bench_peers(config, out.progress, rounds=args.rounds)
    machine, (width, height) = environment(), config.TEST.IMAGE_SIZE
    place = f"{machine['cpu']}, {machine['threads']} threads; {width}x{height}, batch 1"
    out.result(forms, place, peer_table(forms))
