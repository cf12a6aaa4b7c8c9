"""Take over what the bundle brought back from the vendor's image: its figures join the stages' table and the report."""

from __future__ import annotations

import argparse
from typing import Any

from qat.cli.output import Output


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own."""
    parser.add_argument("folder", metavar="FOLDER", help="the bundle after `python run.py`, or its results.*")


def run(config: Any, args: argparse.Namespace, out: Output) -> None:
    """Read it."""
    from qat.compile.horizon_perf import table
    from qat.evaluation.table import stage_table
    from qat.workflow.taking_over import takeover

    done = takeover(config, out.progress, folder=args.folder)
    perf = [table(done.perf)] if done.perf else []
    left = [f"not run there: {', '.join(done.left)}"] if done.left else []
    versions = ", ".join(f"{name} {version}" for name, version in done.versions.items())
    out.result(done, stage_table(done.stages), *perf, f"the image: {versions}", *left)
