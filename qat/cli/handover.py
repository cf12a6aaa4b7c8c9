"""Write the bundle for the vendor's image, where `python run.py` makes the board's file of the calibrated network.

With --ptq, the folder for hb_mapper instead, which calibrates by itself.
"""

from __future__ import annotations

import argparse
from typing import Any

from qat.cli.output import Output


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own."""
    where = "of the calibration: in the bundle, or by name"
    parser.add_argument("--pictures", choices=("copy", "list"), default="copy", help=where)
    parser.add_argument("--ptq", action="store_true", help="for hb_mapper: a float ONNX file, pictures and its YAML")


def run(config: Any, args: argparse.Namespace, out: Output) -> None:
    """Write it."""
    from qat.workflow.handing_over import handover
    from qat.workflow.handing_over_ptq import handover_ptq

    if args.ptq:
        door = handover_ptq(config, out.progress)
        out.result(door, f"{door.folder}: {door.pictures} calibration pictures; its README.md says how to go on")
        return
    done = handover(config, out.progress, pictures=args.pictures)
    size = f"{done.bytes / 1e6:.0f} MB, {done.pictures} calibration pictures"
    out.result(done, f"{done.folder}: {size}", f"there: python run.py --data DATA, which is {done.data} here")
