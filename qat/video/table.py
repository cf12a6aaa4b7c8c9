"""The tables of a run over pictures or frames: time by step, and flicker."""

from __future__ import annotations

from collections.abc import Mapping

from rich.table import Table

from qat.tables import slim_table
from qat.video.pipeline import Done, cores
from qat.video.steps import Steps


def steps_table(steps: Steps, count: int, unit: str) -> Table:
    """What each step costs: milliseconds by the clock and on all cores together, for one picture or frame."""
    table = slim_table(["step", f"ms a {unit}", f"CPU ms a {unit}"], left=("step",))
    for name, cost in steps.costs.items():
        table.add_row(name, *(f"{1000 * seconds / max(count, 1):.2f}" for seconds in (cost.wall, cost.cpu)))
    return table


def flicker_table(flicker: Mapping[str, float]) -> Table:
    """The share of pixels whose class changes from a frame to the next, by stage."""
    table = slim_table(["stage", "pixels that change\nfrom frame to frame"], left=("stage",))
    for stage, share in flicker.items():
        table.add_row(stage, f"{share:.3%}")
    return table


def speed(done: Done) -> str:
    """Frames a second, beside what the cores could do, and how frames went between the processes."""
    told = f"{done.frames} frames in {done.seconds:.1f} s: {done.rate:.1f} a second"
    share = f"{done.rate / done.possible:.0%} of what {cores()} cores can do ({done.possible:.1f})"
    return f"{told}, {share}; batches of {done.batch}, {done.way}"
