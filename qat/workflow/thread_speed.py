"""Speed by threads of every compiled file in every runtime that ran it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from yacs.config import CfgNode

from qat.compile.perf.report import artefacts_of
from qat.compile.perf.run import BenchSettings, machine
from qat.compile.perf.threads import ThreadReport, thread_rows
from qat.compile.perf.timing import available_cores, thread_counts
from qat.deploy.metadata import BESIDE
from qat.errors import UserError
from qat.files import read_json, write_json
from qat.stages.folders import THREADS
from qat.stages.programs import check_programs, inside
from qat.workflow.load import example_input
from qat.workflow.progress import Progress, counter, silent
from qat.workflow.run import folders_of
from qat.workflow.runtime_speed import compiled_record


@dataclass(frozen=True)
class ThreadSpeeds:
    """The rows, and threads.json that holds them."""

    report: ThreadReport
    path: Path


def bench_threads(
    config: CfgNode, progress: Progress = silent, *, rounds: int = 20, threads: tuple[int, ...] = (), command: str = ""
) -> ThreadSpeeds:
    """Time every file of the compile folder on 1, 2, 4 and 8 threads, in every runtime that ran it.

    Args:
        config: the run's config.
        progress: called with the measurements done, their number, and a text.
        rounds: timed runs of each.
        threads: numbers of threads; () for 1, 2, 4 and 8, as many as there are cores.
        command: the command that repeats the measurement.

    Returns:
        The speeds; threads.json lies in the compile folder, and the report draws it.

    Raises:
        UserError: if `rounds` or a number of threads is below 1, or nothing is compiled.
    """
    counts = threads or thread_counts(available_cores())
    if rounds < 1 or min(counts) < 1:
        raise UserError(f"--rounds {rounds} --threads {' '.join(map(str, counts))}; expected 1 or more")
    folder = folders_of(config).stage("compile")
    record = compiled_record(folder)
    check_programs(
        folders_of(config).base, [inside(folder, name) for name in record["artefacts"]], config.COMPILE.TRUST
    )
    example = example_input(config, [record["input"]["width"], record["input"]["height"]]).contiguous().numpy()
    artefacts, beside = artefacts_of(record), folder / BESIDE
    count = counter(progress, sum(len(entry.runtimes) for entry in artefacts) * len(counts), "bench")
    rows = thread_rows(folder, artefacts, example, counts, rounds, count)
    title = f"{config.DATASET.DATASET}/{config.NAME}"
    how = machine(example, BenchSettings(title, command, rounds, threads=counts))
    parameters = int(read_json(beside).get("parameters", 0)) if beside.is_file() else 0
    report = ThreadReport(title, parameters, rows, how)
    write_json(folder / THREADS, asdict(report))
    return ThreadSpeeds(report, folder / THREADS)
