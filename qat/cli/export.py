"""Write a trained checkpoint in half precision and predict form, small enough to ship: .safetensors or .npz."""

from __future__ import annotations

import argparse
from typing import Any

from qat.cli.output import Output


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own."""
    parser.add_argument("--weights", help="checkpoint to read (default: the run's best.safetensors)")
    parser.add_argument("--output", required=True, help="file to write: .safetensors, or .npz for numpy")


def run(config: Any, args: argparse.Namespace, out: Output) -> None:
    """Export."""
    from qat.workflow.training import export

    done = export(config, out.progress, output=args.output, weights=args.weights)
    out.result(done, f"{done.path}, sha256 {done.sha256}")
