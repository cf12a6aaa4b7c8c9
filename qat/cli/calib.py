"""Calibrate: run training images through the rewritten network and choose every activation's scale."""

from __future__ import annotations

import argparse
from typing import Any

from qat.cli.output import Output
from qat.cli.processes import SHARED

PROCESSES = SHARED


def run(config: Any, args: argparse.Namespace, out: Output) -> None:
    """Calibrate."""
    from qat.ptq.observer_search import Scored, search_table
    from qat.workflow.calibration import calibrate

    done = calibrate(config, out.progress)
    tried = [Scored.of_record(row) for row in done.methods.get("OBSERVER", {}).get("tried", ())]
    out.result(
        done, *([search_table(tried)] if tried else []), f"calibrated on {done.images} images -> {done.checkpoint}"
    )
