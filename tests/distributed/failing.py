"""A process of several in which something goes wrong, as the first argument says."""

from __future__ import annotations

import os
import signal
import sys
import time

from qat.cli.main import main
from qat.cli.processes import SHARED
from qat.distributed import Group, current
from qat.errors import UserError

PROCESSES, TAKES_CONFIG = SHARED, False


def mistake(group: Group) -> None:
    if group.rank == 1:
        raise UserError("no picture here")
    group.gather(0)


def mistake_of_the_first(group: Group) -> None:
    if group.main:
        raise UserError("no picture there")
    group.gather(0)


def killed(group: Group) -> None:
    if group.rank == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)  # such as a long step that asks for nobody


def run(config: object, args: object, out: object) -> None:
    work = globals()[sys.argv[1]]
    group = current()
    group.start(work)
    work(group)


if __name__ == "__main__":
    sys.modules["qat.cli.calib"] = sys.modules["tests.distributed.failing"] = sys.modules["__main__"]
    for work in (mistake, mistake_of_the_first, killed):
        work.__module__ = "tests.distributed.failing"
    sys.exit(main(["calib"]))
