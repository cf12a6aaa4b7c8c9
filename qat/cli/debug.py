"""Debug: where the int8 network loses accuracy, layer by layer, and what to try next."""

from __future__ import annotations

import argparse
from typing import Any

from qat.cli.output import Output
from qat.cli.processes import SHARED

PROCESSES = SHARED


def run(config: Any, args: argparse.Namespace, out: Output) -> None:
    """Measure, and say what to try."""
    from qat.analysis.measurements import all_tables
    from qat.analysis.similarity import similarity_table
    from qat.workflow.debugging import debug
    from qat.workflow.run import invocation_of

    diagnosis = debug(config, out.progress, invocation=invocation_of(config, args.cfg, args.run, args.opts))
    steps = [
        f"{number}. {step['why']}\n   try: {step['try']}\n   {step['command']}"
        for number, step in enumerate(diagnosis.steps, 1)
    ]
    stages = dict.fromkeys(row.stage for row in diagnosis.similarity)
    theirs = [similarity_table(diagnosis.similarity, diagnosis.measured.layers, stage) for stage in stages]
    out.result(
        diagnosis,
        *diagnosis.inspection,
        *all_tables(diagnosis.measured),
        *theirs,
        *(steps or ["nothing stands out: nothing to try"]),
        f"debug -> {diagnosis.folder}",
    )
