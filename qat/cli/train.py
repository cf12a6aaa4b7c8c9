"""Train the float network; several processes with torchrun --nproc_per_node N -m qat.cli train."""

from __future__ import annotations

import argparse
from typing import Any

from qat.cli.output import Output
from qat.cli.processes import TOGETHER

PROCESSES = TOGETHER


def run(config: Any, args: argparse.Namespace, out: Output) -> None:
    """Train."""
    from qat.workflow.training import train

    done = train(config, out.progress)
    out.result(
        done, f"trained for {len(done.history)} epochs, best {done.title} {done.best_score:.4f} -> {done.folder}"
    )
