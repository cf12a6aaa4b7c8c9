"""Write an ONNX file in a newer operator set, held against the old file."""

from __future__ import annotations

import argparse
from typing import Any

from qat.cli.output import Output

TAKES_CONFIG = False


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own."""
    parser.add_argument("source", help="an ONNX file")
    parser.add_argument("--to", type=int, required=True, help="the operator set, above the file's")
    parser.add_argument("--output", help="file to write (default: beside the old one, named after the operator set)")


def run(config: Any, args: argparse.Namespace, out: Output) -> None:
    """Raise it."""
    from qat.compile.opset import raise_opset

    done = raise_opset(args.source, args.to, args.output)
    off = "equal" if done.difference == 0 else f"within {done.difference:.1g} of the largest value"
    out.result(done, f"{done.path}: operator set {done.before} -> {done.after}, outputs {off} in ONNX Runtime")
