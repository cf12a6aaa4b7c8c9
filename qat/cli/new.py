"""Write a ready config and data set descriptor from a network and folders of pictures and labels."""

from __future__ import annotations

import argparse

from qat.cli.output import Output

TAKES_CONFIG = False  # it writes one


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own."""
    parser.add_argument(
        "--model", required=True, help="a registered network, path/net.py:function, package.module:function, net.onnx"
    )
    parser.add_argument("--images", required=True, help="folder of pictures, with or without train and val in it")
    parser.add_argument("--labels", help="folder of label files (default: the run has no labels)")
    parser.add_argument("--output", default=".", help="folder of the files to write (default: %(default)s)")
    parser.add_argument("--classes", type=int, help="number of classes, where the network doesn't say it")


def run(config: None, args: argparse.Namespace, out: Output) -> None:
    """Write."""
    from qat.workflow.new_run import new_run

    written = new_run(
        model=args.model,
        images=args.images,
        labels=args.labels,
        output=args.output,
        classes=args.classes,
        options=args.opts,
    )
    guessed = [f"guessed: {line}" for line in written.guessed]
    files = [str(path) for path in (written.config, written.descriptor, *written.lists)]
    following = f"next: rtseg-qat check -c {written.config}"
    out.result(written, *written.found, *guessed, f"wrote {', '.join(files)}", following)
