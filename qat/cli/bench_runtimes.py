"""Speed of the compiled artefacts: every runtime timed in turn, beside this CPU's measured peak; writes perf.html."""

from __future__ import annotations

import argparse
import shlex
from typing import Any

from qat.cli.output import Output


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own."""
    parser.add_argument("--rounds", type=int, default=20, help="rounds, of two timed runs each (default: %(default)s)")
    parser.add_argument("--warmup", type=int, default=3, help="rounds before them (default: %(default)s)")


def run(config: Any, args: argparse.Namespace, out: Output) -> None:
    """Time."""
    from qat.compile.perf import perf_table, reasons
    from qat.workflow.runtime_speed import bench_runtimes

    done = bench_runtimes(config, out.progress, rounds=args.rounds, warmup=args.warmup, command=_command(args))
    written = f"written: {done.folder / 'perf.html'}, perf.json, machine.json, layers.json"
    out.result(done, perf_table(done.report), *reasons(done.report), written)


def _command(args: argparse.Namespace) -> str:
    """Returns the command that repeats the measurement, for the page."""
    place = ["--run", args.run] if args.run else ["-c", args.cfg]
    counts = ["--rounds", str(args.rounds), "--warmup", str(args.warmup)]
    return shlex.join(["rtseg-qat", "bench-runtimes", *place, *counts, *args.opts])
