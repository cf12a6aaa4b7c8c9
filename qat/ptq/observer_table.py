"""The observers that were tried, as a table."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from qat.ptq.observer_search import Scored, best
from qat.tables import slim_table

COLUMNS = ("observer", "averaging\nconstant", "logit\nSQNR", "pixels\nchanged", "mIoU", "")
CAPTION = "On held-out training pictures against float: SQNR in dB, the rest in percent. The highest SQNR is chosen."


def search_table(scored: Sequence[Scored]) -> Table:
    """One row per candidate, nearest to float first; the chosen one is marked."""
    table = slim_table(COLUMNS, left=("observer", ""), caption=CAPTION)
    chosen = best(scored)
    for one in sorted(scored, key=lambda one: -one.score.logit_sqnr):
        table.add_row(*_row(one), " chosen" if one is chosen else "", style="bold" if one is chosen else "")
    return table


def _row(one: Scored) -> tuple[str, ...]:
    constant, miou = one.candidate.averaging, one.score.mean_iou
    return (
        one.candidate.label,
        "" if constant is None else f"{constant:g}",
        f"{one.score.logit_sqnr:.2f}",
        f"{100 * one.score.pixels_changed:.3f}",
        "" if miou is None else f"{100 * miou:.2f}",
    )
