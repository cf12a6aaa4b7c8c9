"""Write report.html: one self-contained page of everything that the stages left on disk."""

from __future__ import annotations

import argparse
from typing import Any

from qat.cli.output import Output
from qat.stages.folders import STAGES


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own."""
    parser.add_argument("--stage", choices=STAGES[1:], default="int_infer", help="whose pictures are shown")
    parser.add_argument("--images", type=int, default=6, help="worst pictures shown, 0: none (default: %(default)s)")


def run(config: Any, args: argparse.Namespace, out: Output) -> None:
    """Write the page."""
    from qat.workflow.report_page import report
    from qat.workflow.run import invocation_of

    invocation = invocation_of(config, args.cfg, args.run, args.opts)
    page = report(config, out.progress, stage=args.stage, images=args.images, invocation=invocation)
    out.result(page, page.headline, f"{page.path} ({page.bytes / 1e6:.1f} MB)")
