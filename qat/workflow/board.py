"""J5's speed read back: perf_model's JSON and what hrt_model_exec printed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from yacs.config import CfgNode

from qat.backends.horizon.build import HBM
from qat.compile.horizon_perf import PerfRow, merged, read_board, read_perf
from qat.errors import UserError
from qat.files import read_json, write_json
from qat.stages.folders import PERF
from qat.workflow.progress import Progress, silent
from qat.workflow.run import folders_of


@dataclass(frozen=True)
class BoardSpeed:
    """The rows, and perf.json that they were written to."""

    rows: tuple[PerfRow, ...]
    path: Path


def read_board_speed(
    config: CfgNode, progress: Progress = silent, *, estimate: str | Path | None = None, logs: Sequence[str | Path] = ()
) -> BoardSpeed:
    """Read the compiler's estimate and the board's logs into perf.json.

    Args:
        config: of the run.
        progress: not called.
        estimate: perf_model's JSON; the one in compile/perf_out by default.
        logs: what hrt_model_exec printed.

    Returns:
        One row a source.

    Raises:
        UserError: for a file that is missing or of another form.
    """
    folder = folders_of(config).stage("compile")
    rows = [read_perf(Path(estimate) if estimate else _estimate(folder)), *(read_board(Path(path)) for path in logs)]
    path = folder / PERF
    write_json(path, merged(read_json(path) if path.is_file() else {}, HBM, rows))
    return BoardSpeed(tuple(rows), path)


def _estimate(folder: Path) -> Path:
    """The JSON file that perf_model wrote; its name is the network's class."""
    files = sorted((folder / "perf_out").glob("*.json"))
    if not files:
        raise UserError(f"no perf_model JSON in {folder / 'perf_out'}; run make compile, or name it with --perf")
    return files[0]
