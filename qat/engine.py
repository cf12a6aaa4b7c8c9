"""The int8 kernels of this CPU, and how many levels activations may use with them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache

import torch

from qat.environment import has_vnni
from qat.errors import UserError, nearest

ENGINES = ("x86", "fbgemm", "onednn", "qnnpack")  # torch's int8 kernels
AUTO = "auto"  # torch's kernels where they compute what stage calib does, else the program
PROGRAM = "program"  # int_infer runs the program on plain integers


@dataclass(frozen=True)
class Engine:
    """A torch quantised engine; `reduce_range` halves the activations' levels, since 16-bit accumulation saturates."""

    name: str
    reduce_range: bool
    reason: str


@lru_cache
def choose_engine(wanted: str = AUTO) -> Engine:
    """The engine to use: with VNNI onednn, else x86 (it picks onednn's or fbgemm's kernels), fbgemm or qnnpack.

    All but qnnpack need `reduce_range` where the CPU has no VNNI. With VNNI, fbgemm's depthwise kernels (x86 takes them
    from 101 groups on) still add pairs of products in 16 bits, which full-range activations saturate: a mean over 5 x 5
    was 138 steps off in torch 2.13. UserError for an engine that torch lacks here.
    """
    supported = [name for name in torch.backends.quantized.supported_engines if name != "none"]
    name: str
    if wanted in (AUTO, PROGRAM):
        order = ("onednn", "x86", "fbgemm", "qnnpack") if has_vnni() else ("x86", "fbgemm", "onednn", "qnnpack")
        name = next((name for name in order if name in supported), "none")
    elif wanted in supported:
        name = wanted
    else:
        raise UserError(f"QUANT.ENGINE {wanted} is not in this torch; {nearest(wanted, supported)}")
    if name == "none":
        raise UserError("this torch has no int8 kernels; install a build with the x86, fbgemm or qnnpack engine")
    if name == "qnnpack":
        return Engine(name, False, "qnnpack accumulates in 32 bits")
    if has_vnni():
        return Engine(name, False, "the CPU has VNNI: int8 products accumulate in 32 bits")
    return Engine(name, True, "the CPU has no VNNI: reduce_range, or int8 products would saturate")


def activate(wanted: str = AUTO) -> Engine:
    """Choose the engine and make it torch's current one for the whole process; `engine_in_use` restores it."""
    engine = choose_engine(wanted)
    torch.backends.quantized.engine = engine.name
    return engine


@contextmanager
def engine_in_use(wanted: str = AUTO) -> Iterator[Engine]:
    """Make the engine torch's current one for the block; the earlier one is restored after it.

    int8 weights are packed for the engine that is current when they are converted or loaded, and qnnpack's kernels look
    at it whenever they run.
    """
    before = torch.backends.quantized.engine
    try:
        yield activate(wanted)
    finally:
        torch.backends.quantized.engine = before
