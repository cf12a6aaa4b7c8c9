"""Draw what a stage sees: colour overlays of pictures, beside float's where the stage isn't float."""

from __future__ import annotations

import argparse
from typing import Any

from qat.cli.output import Output
from qat.stages.folders import STAGES


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own."""
    parser.add_argument("--stage", choices=STAGES, default="float")
    parser.add_argument("--input", required=True, help="a picture, a folder of pictures or a list file")
    parser.add_argument("--output", help="folder to write to (default: infer/ in the stage's folder; dump/ for logits)")
    parser.add_argument("--logits", action="store_true", help="raw logits as .npy, to compare, in place of overlays")


def run(config: Any, args: argparse.Namespace, out: Output) -> None:
    """Draw."""
    from qat.workflow.inference import infer

    options = {"source": args.input, "stage": args.stage, "output": args.output, "logits": args.logits}
    drawn = infer(config, out.progress, **options)
    out.result(drawn, f"{len(drawn.pictures)} {'files of logits' if args.logits else 'overlays'} in {drawn.folder}")
