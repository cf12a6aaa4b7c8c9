"""Speed by threads: every compiled file in every runtime on 1, 2, 4, 8 threads; the report draws the curve."""

from __future__ import annotations

import argparse
import shlex
from typing import Any

from qat.cli.output import Output


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own."""
    parser.add_argument("--rounds", type=int, default=20, help="timed runs of each (default: %(default)s)")
    parser.add_argument(
        "--threads", type=_counts, default=(), help="such as 1,2,4 (default: 1,2,4,8, as far as there are cores)"
    )


def _counts(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


def run(config: Any, args: argparse.Namespace, out: Output) -> None:
    """Time."""
    from qat.compile.perf.threads import facts_line, thread_table
    from qat.workflow.thread_speed import bench_threads

    how = {"rounds": args.rounds, "threads": args.threads, "command": _command(args)}
    done = bench_threads(config, out.progress, **how)
    reasons = [f"{row.artefact} in {row.runtime}: {row.why}" for row in done.report.rows if row.why]
    out.result(done, facts_line(done.report), thread_table(done.report), *reasons, f"written: {done.path}")


def _command(args: argparse.Namespace) -> str:
    """Returns the command that repeats the measurement."""
    place = ["--run", args.run] if args.run else ["-c", args.cfg]
    threads = ["--threads", ",".join(map(str, args.threads))] if args.threads else []
    return shlex.join(["rtseg-qat", "bench-threads", *place, "--rounds", str(args.rounds), *threads, *args.opts])
