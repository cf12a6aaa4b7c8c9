"""The speed of the artefacts as a table for the terminal."""

from __future__ import annotations

from rich import box
from rich.table import Table

from qat.compile.perf.report import SpeedReport, SpeedRow
from qat.compile.perf.timing import Failure

COLUMNS = ("artefact", "runtime", "threads", "median\nms", "p90\nms", "FPS", "GMAC/s", "of\npeak", "peak\nms")
LEFT = ("artefact", "runtime")


def perf_table(report: SpeedReport) -> Table:
    """A row for each artefact, runtime and number of threads; below, the peaks that `of peak` refers to."""
    table = Table(box=box.SIMPLE_HEAD, padding=0, pad_edge=False, caption=_caption(report), caption_justify="left")
    for title in COLUMNS:
        table.add_column(title, justify="left" if title in LEFT else "right", no_wrap=title != "artefact")
    for row in report.rows:
        table.add_row(*_cells(row))
    return table


def reasons(report: SpeedReport) -> list[str]:
    """A line for each row without a timing, once for all its threads."""
    lines = [f"{row.artefact.name} in {row.runtime}: {failure.reason}" for row, failure in report.failed]
    return list(dict.fromkeys(lines))


def _cells(row: SpeedRow) -> list[str]:
    named = [row.artefact.name, row.runtime, str(row.threads)]
    if isinstance(row.result, Failure):
        return [*named, "failed"]
    figures = row.figures(row.result)
    return [
        *named,
        f"{figures['median_ms']:.1f}",
        f"{figures['p90_ms']:.1f}",
        f"{figures['fps']:.1f}",
        f"{figures['gmacs_per_s']:.0f}",
        f"{figures['share_of_roofline']:.0%}",
        f"{row.roofline_ms:.1f}",
    ]


def _caption(report: SpeedReport) -> str:
    peaks = [
        f"{threads} thread{'s' if threads > 1 else ''}: {peak.int8_gmacs:.0f} GMAC/s int8, {peak.fp32_gmacs:.0f} fp32, "
        f"copy {peak.copy_gb_per_s:.0f} GB/s"
        for threads, peak in sorted(report.rooflines.items())
    ]
    return "\n".join(["Peaks measured on this CPU (peak ms: the artefact's MACs at the peak)", *peaks])
