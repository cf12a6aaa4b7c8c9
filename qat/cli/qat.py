"""Fine-tune the calibrated network, taught by the float one; several processes with torchrun -m qat.cli qat."""

from __future__ import annotations

import argparse
from typing import Any

from qat.cli.output import Output
from qat.cli.processes import TOGETHER

PROCESSES = TOGETHER


def run(config: Any, args: argparse.Namespace, out: Output) -> None:
    """Fine-tune."""
    from qat.workflow.fine_tuning import finetune

    done = finetune(config, out.progress)
    out.result(done, f"fine-tuned for {len(done.history)} epochs -> {done.checkpoint}")
