"""`python run.py`: every step from float to the board's file, with the vendor's plugin."""

from __future__ import annotations

import argparse
import platform
import sys
import time
from pathlib import Path
from typing import Any, Sequence

import numpy
import torch

from . import plugin
from .mistake import Mistake, first_line
from .plan import Plan
from .results import Results
from .session import Session
from .steps import STEPS


def script(folder: str) -> None:
    """The entry of run.py, which lies in `folder`."""
    sys.exit(main(Path(folder), sys.argv[1:]))


def main(folder: Path, argv: Sequence[str]) -> int:
    """Run the steps that aren't done yet: 0, or 2 for a mistake."""
    args = _parser().parse_args(argv)
    try:
        run(folder, args)
        return 0
    except Mistake as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except OSError as error:  # a full or read-only disk, a folder where a file belongs
        where = f"{error.filename}: " if error.filename else ""
        print(f"error: {where}{error.strerror or first_line(error)}; the same command goes on", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; the same command goes on", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="run.py", description=__doc__)
    parser.add_argument("--data", metavar="FOLDER", help="the mounted data set: for mIoU, and for pictures by list")
    parser.add_argument("--qat-epochs", type=int, default=0, help="epochs of the plugin's own QAT (default: none)")
    parser.add_argument("--qat-lr", type=float, default=1e-4, help="its learning rate (default: %(default)s)")
    parser.add_argument("--again", action="store_true", help="begin anew; a results.json that is there is replaced")
    return parser


def run(folder: Path, args: argparse.Namespace) -> None:
    """Run the steps; Mistake for the first that fails."""
    if args.qat_epochs < 0 or not args.qat_lr > 0:
        raise Mistake(f"--qat-epochs {args.qat_epochs} --qat-lr {args.qat_lr}; expected 0 or more, and above 0")
    data = Path(args.data) if args.data else None
    if data is not None and not data.is_dir():
        raise Mistake(f"--data {data} is not a folder; mount the data set there")
    plan = Plan(folder)
    options = {"qat_epochs": args.qat_epochs, "qat_lr": args.qat_lr}
    versions = {"python": platform.python_version(), "torch": str(torch.__version__), "numpy": numpy.__version__}
    versions["plugin"] = plugin.version()
    identity = {"plan_sha256": plan.digest, "weights_sha256": plan.weights_digest}
    results = Results(folder, {**identity, "versions": versions, "options": options}, args.again)
    session = Session(plan, results, options, data, _say)
    for number, step in enumerate(STEPS, start=1):
        _step(session, f"[{number}/{len(STEPS)}] {step.__name__}", step)
    print(f"{results.path}; back where the bundle was written: rtseg-qat takeover FOLDER")


def _step(session: Session, title: str, step: Any) -> None:
    name = step.__name__
    before = session.results.values["steps"].get(name)
    if before is not None and not (session.data and "skipped" in before):
        print(f"{title}: done before", flush=True)
        return
    print(title, flush=True)
    start = time.perf_counter()
    record = step(session)
    session.results.keep(name, {**record, "seconds_taken": time.perf_counter() - start})
    if "skipped" in record:
        _say(f"skipped: {record['skipped']}")


def _say(line: str) -> None:
    print(f"    {line}", flush=True)
