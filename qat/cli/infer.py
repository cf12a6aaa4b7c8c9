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
    parser.add_argument("--output", help="folder for the overlays (default: the stage's folder, infer/)")


def run(config: Any, args: argparse.Namespace, out: Output) -> None:
    """Draw."""
    from qat.workflow.inference import infer

    drawn = infer(config, out.progress, source=args.input, stage=args.stage, output=args.output)
    out.result(drawn, f"{len(drawn.pictures)} overlays in {drawn.folder}")
