"""Draw what a stage sees: colour overlays of pictures, beside float's where the stage isn't float."""

from __future__ import annotations

import argparse
from typing import Any

from qat.cli.output import Output
from qat.cli.processes import SHARED
from qat.stages.folders import STAGES

PROCESSES = SHARED


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own."""
    parser.add_argument("--stage", choices=STAGES, default="float")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--input", help="a picture, a folder of pictures or a list file")
    what.add_argument(
        "--submission", action="store_true", help="labelIds PNGs of DATASET.TEST_SET, zipped, for a benchmark's server"
    )
    parser.add_argument("--output", help="where to (default: infer/, dump/ or submission.zip in the stage's folder)")
    parser.add_argument("--boxes", help="of a pose network: a JSON file that says where persons are (docs/tasks.md)")
    parser.add_argument("--logits", action="store_true", help="raw logits as .npy, to compare, in place of overlays")


def run(config: Any, args: argparse.Namespace, out: Output) -> None:
    """Draw, or write what a server takes."""
    _submit(config, args, out) if args.submission else _draw(config, args, out)


def _draw(config: Any, args: argparse.Namespace, out: Output) -> None:
    from qat.workflow.inference import infer

    options = {"source": args.input, "stage": args.stage, "output": args.output, "logits": args.logits}
    options["boxes"] = args.boxes
    drawn = infer(config, out.progress, **options)
    out.result(drawn, f"{len(drawn.pictures)} {'files of logits' if args.logits else 'overlays'} in {drawn.folder}")


def _submit(config: Any, args: argparse.Namespace, out: Output) -> None:
    from qat.errors import UserError
    from qat.workflow.submission import submit

    if args.logits or args.boxes:
        other = "--logits" if args.logits else "--boxes"
        raise UserError(f"--submission and {other} are two things; give one of them")
    done = submit(config, out.progress, stage=args.stage, output=args.output)
    out.result(done, f"{done.pictures} pictures in {done.archive}")
