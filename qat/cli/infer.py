"""Show what a stage predicts of pictures, a video or a camera: beside float's where the stage isn't float."""

from __future__ import annotations

import argparse
from typing import Any

from qat.cli.output import Output
from qat.cli.processes import SHARED
from qat.report.mode_names import COMPARE, MODES
from qat.stages.folders import STAGES

PROCESSES = SHARED


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own."""
    parser.add_argument("--stage", choices=STAGES, default="float")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--input", help="a picture, a folder, a pattern such as 'few/*.png', a list file, a video, a camera, an address"
    )
    what.add_argument(
        "--submission", action="store_true", help="labelIds PNGs of DATASET.TEST_SET, zipped, for a benchmark's server"
    )
    parser.add_argument("--output", help="where to (default: infer/, dump/ or submission.zip in the stage's folder)")
    modes = "; ".join(f"{name}: {text}" for name, text in MODES.items())
    parser.add_argument("--mode", choices=tuple(MODES), default=COMPARE, help=f"{modes} (default: %(default)s)")
    parser.add_argument("--boxes", help="of a pose network: a JSON file that says where persons are (docs/tasks.md)")
    parser.add_argument("--logits", action="store_true", help="raw logits as .npy, to compare, in place of overlays")
    parser.add_argument("--batch", type=int, default=8, help="of a video: frames at once (default: %(default)s)")
    parser.add_argument("--frames", type=int, default=0, help="of a video: where it ends (default: at its end)")


def run(config: Any, args: argparse.Namespace, out: Output) -> None:
    """Draw, or write what a server takes."""
    from qat.video.source import is_video

    if args.submission:
        _submit(config, args, out)
    elif is_video(args.input):
        _film(config, args, out)
    else:
        _draw(config, args, out)


def _draw(config: Any, args: argparse.Namespace, out: Output) -> None:
    from qat.video.table import steps_table
    from qat.workflow.inference import infer

    options = {"source": args.input, "stage": args.stage, "output": args.output}
    drawn = infer(config, out.progress, **options, mode=args.mode, logits=args.logits, boxes=args.boxes)
    what = "files of logits" if args.logits else "class masks" if args.mode == "mask" else "overlays"
    count = len(drawn.pictures)
    found = [f"boxes for a pose network's --boxes: {drawn.boxes}"] if drawn.boxes else []
    out.result(drawn, steps_table(drawn.steps, count, "picture"), *found, f"{count} {what} in {drawn.folder}")


def _film(config: Any, args: argparse.Namespace, out: Output) -> None:
    from qat.errors import UserError
    from qat.video.table import flicker_table, speed, steps_table
    from qat.workflow.video_inference import infer_video

    if args.logits or args.boxes:
        other = "--logits" if args.logits else "--boxes"
        raise UserError(f"{other} is for pictures and --input {args.input} is a video; leave it out")
    options = {"source": args.input, "stage": args.stage, "output": args.output, "mode": args.mode}
    made = infer_video(config, out.progress, **options, batch=args.batch, frames=args.frames)
    tables = [steps_table(made.done.steps, made.done.frames, "frame")]
    tables += [flicker_table(made.flicker)] if made.flicker else []
    out.result(made, *tables, speed(made.done), f"{made.path} ({made.codec})")


def _submit(config: Any, args: argparse.Namespace, out: Output) -> None:
    from qat.errors import UserError
    from qat.workflow.submission import submit

    if args.logits or args.boxes:
        other = "--logits" if args.logits else "--boxes"
        raise UserError(f"--submission and {other} are two things; give one of them")
    done = submit(config, out.progress, stage=args.stage, output=args.output)
    out.result(done, f"{done.pictures} pictures in {done.archive}")
