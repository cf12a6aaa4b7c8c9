"""What must be the same in every process, or results would depend on which one computes a picture."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch

from qat.environment import has_vnni
from qat.errors import UserError
from qat.version import __version__


@dataclass(frozen=True)
class Facts:
    """A process's `host` and what decides its numbers."""

    host: str
    version: str
    torch: str
    capability: str
    vnni: bool
    threads: int

    @classmethod
    def here(cls) -> Facts:
        """This process's."""
        return cls(
            host=platform.node(),
            version=__version__,
            torch=torch.__version__,
            capability=torch.backends.cpu.get_cpu_capability(),
            vnni=has_vnni(),
            threads=torch.get_num_threads(),
        )


_SAID = {
    "version": ("rtseg-qat {}", "install one version everywhere"),
    "torch": ("torch {}", "install one version everywhere"),
    "capability": ("a CPU with {}", "use machines of one kind, or set ATEN_CPU_CAPABILITY to what all have"),
    "vnni": ("AVX512-VNNI: {}", "use machines of one kind: int8 sums saturate on CPUs without it"),
    "threads": ("{} threads", "set OMP_NUM_THREADS to one number everywhere"),
}


def require_equal(facts: Sequence[Facts]) -> None:
    """UserError that names the first process whose facts aren't those of the first one.

    >>> one, other = (Facts("node", "1.0", "2.13", "AVX512", True, threads) for threads in (1, 2))
    >>> require_equal([one, other])
    Traceback (most recent call last):
    ...
    qat.errors.UserError: process 1 on node has 2 threads and process 0 on node has 1 threads, so that results would \
depend on who computes them; set OMP_NUM_THREADS to one number everywhere
    """
    for rank, one in enumerate(facts):
        for name in (field.name for field in fields(Facts) if field.name != "host"):
            own, first = getattr(one, name), getattr(facts[0], name)
            if own != first:
                what, remedy = _SAID[name]
                raise UserError(
                    f"process {rank} on {one.host} has {what.format(own)} and process 0 on {facts[0].host} has "
                    f"{what.format(first)}, so that results would depend on who computes them; {remedy}"
                )
