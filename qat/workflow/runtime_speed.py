"""Speed of the compiled artefacts: every runtime here beside this CPU's measured peak, and J5's own reports."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yacs.config import CfgNode

from qat.backends.horizon.build import HBM
from qat.compile.horizon_csv import ProfileCells, read_profile_cells
from qat.compile.horizon_perf import BOARD, PerfRow, merged, read_board, read_perf
from qat.compile.horizon_profile import NodeTime, read_profile
from qat.compile.perf import BenchSettings, SpeedReport, artefacts_of, bench, write_report
from qat.errors import UserError, as_user_error
from qat.files import read_json, write_json
from qat.invocation import command
from qat.stages import read_record
from qat.stages.folders import PERF
from qat.stages.programs import check_programs, inside
from qat.workflow.load import example_input
from qat.workflow.progress import Progress, counter, silent
from qat.workflow.run import folders_of

CSV = ".csv"


@dataclass(frozen=True)
class RuntimeSpeeds:
    """The rows, and the folder of perf.html, perf.json, machine.json and layers.json."""

    report: SpeedReport
    folder: Path


def bench_runtimes(
    config: CfgNode, progress: Progress = silent, *, rounds: int = 20, warmup: int = 3, command: str = ""
) -> RuntimeSpeeds:
    """Time every artefact of the compile folder in every runtime that ran it.

    Args:
        config: the run's config.
        progress: called with the rounds done, the number of rounds, and a text.
        rounds: timed rounds, of two runs each.
        warmup: untimed rounds before them.
        command: the command that repeats the measurement, for the page.

    Returns:
        The speeds; perf.html and its JSON files lie in the compile folder.

    Raises:
        UserError: if `rounds` is below 1 or `warmup` below 0, if nothing is compiled, or if torch has no int8 kernels
            to measure the peak with.
    """
    if rounds < 1 or warmup < 0:
        raise UserError(f"--rounds {rounds} --warmup {warmup}; expected at least 1 and 0")
    folder = folders_of(config).stage("compile")
    record = compiled_record(folder)
    artefacts = artefacts_of(record)
    programs = [inside(folder, name) for name in record["artefacts"]]
    check_programs(folders_of(config).base, programs, config.COMPILE.TRUST)
    size = [record["input"]["width"], record["input"]["height"]]
    settings = BenchSettings(f"{config.DATASET.DATASET}/{config.NAME}", command, rounds, warmup)
    example = example_input(config, size).contiguous().numpy()
    report = bench(folder, artefacts, example, settings, counter(progress, settings.total, "bench"))
    write_report(report, folder)
    return RuntimeSpeeds(report, folder)


def compiled_record(folder: Path) -> dict[str, Any]:
    """Returns the compile folder's record; UserError where nothing is compiled."""
    record = read_record(folder)
    if not record:
        raise UserError(f"no compiled artefacts in {folder}; run {command('compile')} with this CFG")
    return record


@dataclass(frozen=True)
class BoardSpeed:
    """The rows, the perf.json that holds them, the time of each node on the board, and each profiler.csv's cells."""

    rows: tuple[PerfRow, ...]
    path: Path
    nodes: tuple[NodeTime, ...] = ()
    cells: tuple[ProfileCells, ...] = ()


def read_board_speed(
    config: CfgNode,
    progress: Progress = silent,
    *,
    estimate: str | Path | None = None,
    logs: Sequence[str | Path] = (),
    profiles: Sequence[str | Path] = (),
) -> BoardSpeed:
    """Read the compiler's estimate, the board's logs and its profiles into perf.json.

    Args:
        config: the run's config.
        progress: not called.
        estimate: perf_model's JSON; by default the one in compile/perf_out, which may be missing where there are logs.
        logs: files with the output of hrt_model_exec.
        profiles: profiler.log of --profile_path, of which the last one's nodes are shown, or profiler.csv.

    Returns:
        One row for the estimate, one a log, one a profile of another number of threads, the nodes of the last profile,
        the cells of each profiler.csv, and the perf.json that the rows were written to, where there are any.

    Raises:
        UserError: if a file is missing or has another form, and for two runs with one number of threads.
    """
    folder = folders_of(config).stage("compile")
    found = Path(estimate) if estimate else _estimate(folder, needed=not (logs or profiles))
    cells = tuple(read_profile_cells(path) for path in map(Path, profiles) if path.suffix == CSV)
    read = [read_profile(path) for path in map(Path, profiles) if path.suffix != CSV]
    rows = [*([read_perf(found)] if found else []), *(read_board(Path(path)) for path in logs)]
    threads = {row.threads for row in rows if row.source == BOARD}
    rows += [each.row for each in read if each.row and each.row.threads not in threads]
    _check_threads(rows)
    path = _written(folder / PERF, rows)
    return BoardSpeed(tuple(rows), path, read[-1].nodes if read else (), cells)


def _check_threads(rows: Sequence[PerfRow]) -> None:
    """UserError where two runs on the board have one number of threads: perf.json would keep the last."""
    counts = Counter(row.threads for row in rows if row.source == BOARD)
    if twice := [threads for threads, count in counts.items() if count > 1]:
        raise UserError(
            f"{counts[twice[0]]} runs of hrt_model_exec have --thread_num {twice[0]}, and perf.json keeps one for each "
            "number of threads; give one of them"
        )


def _written(path: Path, rows: Sequence[PerfRow]) -> Path:
    """Put the rows into perf.json; nothing where there are none."""
    if rows:
        with as_user_error(f"{path} is damaged", "delete it"):
            content = merged(read_json(path) if path.is_file() else {}, HBM, rows)
        write_json(path, content)
    return path


def _estimate(folder: Path, needed: bool) -> Path | None:
    """Returns the JSON file that perf_model wrote; its name is the network's class."""
    files = sorted((folder / "perf_out").glob("*.json"))
    if not files and not needed:
        return None
    if not files:
        raise UserError(
            f"no perf_model JSON in {folder / 'perf_out'}; run {command('compile')}, or name it with --perf"
        )
    return files[0]
