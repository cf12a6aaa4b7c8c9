"""Start a command in several processes on this machine, and end all of them when one fails."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from torch.distributed import TCPStore  # type: ignore[attr-defined]

_HOST = "127.0.0.1"
_STEP = 0.05  # seconds between two looks
_LEAVE = 5.0  # seconds in which the others end by themselves


@dataclass(frozen=True)
class Exit:
    """The first process that ended: its number and exit code, negative for the signal that ended it.

    >>> Exit(1, -9).status, Exit(1, -9).line
    (137, 'process 1 was ended by SIGKILL, mostly for want of memory; start fewer processes')
    """

    rank: int
    code: int

    @property
    def status(self) -> int:
        """What a shell calls it."""
        return self.code if self.code >= 0 else 128 - self.code

    @property
    def line(self) -> str:
        """What the process couldn't say itself; "" for one that ended by itself."""
        if self.code >= 0:
            return ""
        name = signal.Signals(-self.code).name
        why = ", mostly for want of memory; start fewer processes" if name == "SIGKILL" else ""
        return f"process {self.rank} was ended by {name}{why}"


def launch(arguments: Sequence[str], processes: int, module: str = "qat.cli") -> Exit:
    """Run `python -m module` with `arguments` in `processes` processes; returns the first one that failed, or 0's end.

    The store that they meet in lies in this process, at a port that the system chooses: no two commands get in each
    other's way, and nothing is left of one that was killed.
    """
    store = TCPStore(_HOST, 0, is_master=True, wait_for_workers=False)
    command = [sys.executable, "-m", module, *arguments]
    children = [
        subprocess.Popen(command, env=os.environ | _environment(rank, processes, store.port))
        for rank in range(processes)
    ]
    try:
        return _first_end(children)
    except BaseException:  # Ctrl-C, SIGTERM: nobody else tells them
        for child in children:
            child.terminate()
        raise
    finally:
        _end(children)


def _environment(rank: int, processes: int, port: int) -> dict[str, str]:
    """As torchrun sets it."""
    threads = max(1, (os.cpu_count() or 1) // processes)
    gloo = {"GLOO_SOCKET_IFNAME": "lo"} if sys.platform == "linux" else {}
    given = {name: os.environ[name] for name in ("OMP_NUM_THREADS", "GLOO_SOCKET_IFNAME") if name in os.environ}
    return {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(processes),
        "LOCAL_WORLD_SIZE": str(processes),
        "MASTER_ADDR": _HOST,
        "MASTER_PORT": str(port),
        "TORCHELASTIC_USE_AGENT_STORE": "True",  # the store is there already
        "TORCHELASTIC_RESTART_COUNT": "0",
        "OMP_NUM_THREADS": str(threads),
        **gloo,
        **given,
    }


def _first_end(children: Sequence[subprocess.Popen[bytes]]) -> Exit:
    while True:
        ends = [Exit(rank, child.returncode) for rank, child in enumerate(children) if child.poll() is not None]
        failed = next((end for end in ends if end.code), None)
        if failed or len(ends) == len(children):
            return failed or ends[0]
        time.sleep(_STEP)


def _end(children: Sequence[subprocess.Popen[bytes]]) -> None:
    """Until no child runs: by themselves, since they hear of a failure, then by SIGTERM, then by SIGKILL."""
    killed = any((child.poll() or 0) < 0 for child in children)
    _wait(children, 0.0 if killed else _LEAVE)
    for child in children:
        child.terminate()
    _wait(children, _LEAVE)
    for child in children:
        child.kill()
        child.wait()


def _wait(children: Sequence[subprocess.Popen[bytes]], seconds: float | None) -> None:
    end = None if seconds is None else time.monotonic() + seconds
    while any(child.poll() is None for child in children) and (end is None or time.monotonic() < end):
        time.sleep(_STEP)
