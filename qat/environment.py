"""The machine that a number was measured on."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

# the instruction sets that int8 and bf16 kernels are chosen by: x86, then ARM
KERNEL_FLAGS = (
    *("avx2", "avx512f", "avx512bw", "avx512vl", "avx_vnni", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16"),
    *("asimddp", "i8mm", "bf16", "sve"),
)


@dataclass(frozen=True)
class Cpu:
    """A processor's name and those of KERNEL_FLAGS that it has."""

    model: str
    flags: tuple[str, ...]


def environment() -> dict[str, Any]:
    """Versions, processor and threads, ready for JSON."""
    import torch  # here, so that the command line's --help doesn't wait for it

    cpu = this_cpu()
    return {
        "torch": torch.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu": cpu.model,
        "cpu_flags": list(cpu.flags),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
    }


def has_vnni() -> bool:
    """Whether int8 products are summed in 32 bits (AVX512-VNNI); without it FBGEMM's 16-bit sums saturate.

    AVX-VNNI (256 bit) doesn't count: FBGEMM has no kernels for it. False where the processor's flags can't be read.
    """
    return "avx512_vnni" in this_cpu().flags


@lru_cache(maxsize=1)
def this_cpu() -> Cpu:
    """This machine's processor, from /proc/cpuinfo where there is one; else its name only."""
    name = platform.processor() or platform.machine()
    try:
        return parse_cpuinfo(Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace"), name)
    except OSError:
        return Cpu(name, ())


def parse_cpuinfo(text: str, name: str = "unknown") -> Cpu:
    """The first processor of Linux's /proc/cpuinfo; `name` where it isn't named there (ARM).

    >>> parse_cpuinfo("model name\\t: A fast one\\nflags\\t\\t: fpu avx2 avx512_vnni")
    Cpu(model='A fast one', flags=('avx2', 'avx512_vnni'))
    """
    fields: dict[str, str] = {}
    for line in text.splitlines():
        key, _, value = line.partition(":")
        fields.setdefault(key.strip(), value.strip())
    flags = (fields.get("flags") or fields.get("Features") or "").split()
    return Cpu(fields.get("model name") or name, tuple(flag for flag in KERNEL_FLAGS if flag in flags))
