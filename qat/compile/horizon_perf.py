"""J5's speed by the vendor's tools: perf_model's summary, and what hrt_model_exec prints on the board."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from qat.errors import UserError, as_user_error
from qat.files import read_json
from qat.tables import slim_table

ESTIMATE, BOARD = "perf_model", "hrt_model_exec"
_LATENCY, _OPS, _DDR = "latency (ms)", "BPU OPs per frame (effective)", "DDR bytes per frame"
_NUMBER = r":\s*([\d.]+)"
_LINES = {  # spaces and dashes differ by version
    "threads": rf"thread\s+number\s+is{_NUMBER}",
    "latency_ms": rf"average\s+latency\s+is{_NUMBER}\s*ms",
    "fps": rf"frame\s+rate\s+is{_NUMBER}\s*FPS",
}


@dataclass(frozen=True)
class PerfRow:
    """One measurement: `source` perf_model (the compiler's estimate) or hrt_model_exec (the board).

    `latency_ms` is an average; `operations` and `ddr_bytes` are per frame, `core` is --core_id (0: any core, so that
    eight threads measure both); None where the source doesn't say.
    """

    source: str
    threads: int
    latency_ms: float
    fps: float
    operations: int | None = None
    ddr_bytes: int | None = None
    core: int | None = None


def read_perf(path: Path) -> PerfRow:
    """The row in a JSON file of perf_model; UserError for another file."""
    return perf_row(read_json(path), str(path))


def perf_row(perf: Any, where: str) -> PerfRow:
    """The row in what perf_model returns; its one key is `summary`. `where` names it in an error."""
    summary = perf.get("summary") if isinstance(perf, dict) else None
    if not isinstance(summary, dict):
        raise UserError(f"{where} is not perf_model's result: it has no `summary`; give the json of perf_out/")
    latency, fps = (_number(summary, key, where) for key in (_LATENCY, "FPS"))
    operations, ddr = (summary.get(key) for key in (_OPS, _DDR))
    return PerfRow(ESTIMATE, 1, latency, fps, _whole(operations), _whole(ddr))


def _number(summary: Mapping[str, Any], key: str, where: str) -> float:
    if not _is_finite(summary.get(key)):
        raise UserError(f"{where} has no number `{key}` in its summary; it has: {', '.join(summary)}")
    return float(summary[key])


def _whole(value: Any) -> int | None:
    return int(value) if _is_finite(value) else None


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def read_board(path: Path) -> PerfRow:
    """The row in what `hrt_model_exec perf` printed; UserError if it holds no measurement."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise UserError(f"can't read {path}: {error.strerror}; save what hrt_model_exec prints there") from error
    return board_row(text, str(path))


def board_row(text: str, where: str = "the text") -> PerfRow:
    """The last measurement in the printed `text`.

    >>> board_row("- Average latency is: 5.0 ms\\n- Frame rate is: 199.8 FPS")
    PerfRow(source='hrt_model_exec', threads=1, latency_ms=5.0, fps=199.8, operations=None, ddr_bytes=None, core=None)
    """
    figures = {key: re.findall(pattern, text, re.IGNORECASE) for key, pattern in _LINES.items()}
    missing = [key for key in ("latency_ms", "fps") if not figures[key]]
    if missing:
        raise UserError(f"{where} has no average latency and frame rate; give what `hrt_model_exec perf` printed")
    with as_user_error(f"{where} has a figure that is no number", "give what `hrt_model_exec perf` printed"):
        threads = int(float(figures["threads"][-1])) if figures["threads"] else 1
        return PerfRow(BOARD, threads, float(figures["latency_ms"][-1]), float(figures["fps"][-1]))


def merged(perf: Mapping[str, Any], artefact: str, rows: Sequence[PerfRow]) -> dict[str, Any]:
    """perf.json with `rows` put in: artefact -> source -> threads -> figures."""
    result = {name: {source: dict(by) for source, by in sources.items()} for name, sources in perf.items()}
    for row in rows:
        figures = {key: value for key, value in asdict(row).items() if value is not None}
        del figures["source"], figures["threads"]
        result.setdefault(artefact, {}).setdefault(row.source, {})[str(row.threads)] = figures
    return result


def table(rows: Sequence[PerfRow]) -> Table:
    """The rows for people."""
    columns = ("J5", "threads", "latency ms", "FPS", "Gops/frame", "DDR MB/frame")
    shown = slim_table(columns, left=("J5",))
    for row in rows:
        ops = "" if row.operations is None else f"{row.operations / 1e9:.2f}"
        ddr = "" if row.ddr_bytes is None else f"{row.ddr_bytes / 1e6:.1f}"
        shown.add_row(row.source, str(row.threads), f"{row.latency_ms:.2f}", f"{row.fps:.1f}", ops, ddr)
    return shown
