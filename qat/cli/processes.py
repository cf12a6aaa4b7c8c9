"""A command in several processes: started here by --processes, or by torchrun."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from qat.errors import UserError

SHARED, TOGETHER = "shared", "together"
"""A command module's PROCESSES: the first process runs it and shares work, or all of them run it side by side."""

MOST = 8  # processes a core, beyond which a number is a slip


def arguments(parser: argparse.ArgumentParser) -> None:
    """The option of commands that work in several processes."""
    parser.add_argument(
        "--processes", type=_number, default=1, metavar="N", help="start N processes on this machine, which share work"
    )


def _number(text: str) -> int:
    if not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f"{text} is no number of processes; expected 1 or more")
    return int(text)


def is_started() -> bool:
    """Whether torchrun or --processes started this process, beside others."""
    return "RANK" in os.environ and int(os.environ.get("WORLD_SIZE", 1)) > 1


def start(command: str, argv: Sequence[str], processes: int) -> int:
    """Run the command in several processes; returns the exit code of the first that failed."""
    cores = os.cpu_count() or 1
    if processes > MOST * cores:
        raise UserError(f"--processes {processes} and this machine has {cores} cores; start {cores} or fewer")
    from qat.distributed import launch

    end = launch([command, *argv], processes)
    if end.line:
        print(f"error: {end.line}", file=sys.stderr)
    return end.status


def run(module: Any, work: Callable[[], int]) -> int:
    """Run a command's `work`, in the group of processes if there is one; UserError where the command shares nothing."""
    if not is_started():
        return work()
    kind = getattr(module, "PROCESSES", "")
    if not kind:
        name = module.__name__.rpartition(".")[2].replace("_", "-")
        raise UserError(f"{name} shares no work; start it in one process, without torchrun")
    from qat.distributed import Ended, joined

    try:
        with joined() as group:
            if group.main or kind == TOGETHER:
                return work()
            group.serve()
    except Ended as end:
        return end.code
    return 0


def is_said_elsewhere(error: UserError) -> bool:
    """Whether the first process says a mistake: one in the arguments, which all of them have."""
    if not is_started() or os.environ["RANK"] == "0":
        return False
    from qat.distributed import OwnFailure

    return not isinstance(error, OwnFailure)
