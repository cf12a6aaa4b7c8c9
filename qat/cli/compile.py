"""Compile: write every artefact of the calibrated network, prove each against the stages, run it in every runtime."""

from __future__ import annotations

import argparse
from typing import Any

from qat.cli.output import Output


def run(config: Any, args: argparse.Namespace, out: Output) -> None:
    """Compile."""
    from qat.compile.horizon_perf import table
    from qat.compile.perf import perf_table
    from qat.compile.verify.runtimes import faults, parity_table
    from qat.workflow.compilation import compile

    done = compile(config, out.progress)
    if done.board:
        out.result(done, table(done.board))
        return
    speeds = [perf_table(done.perf)] if done.perf else []
    out.result(done, parity_table(done.parity), *faults(done.parity), *speeds)
