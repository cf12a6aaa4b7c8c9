"""The files that the stages wrote for the report, read once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qat.compile.artefacts import INT8_KINDS
from qat.errors import UserError
from qat.evaluation.metrics import Metrics
from qat.files import read_json
from qat.invocation import command
from qat.origin import Origin
from qat.stages import CHECKPOINTS, STAGES, Run, finished_stages, is_current, origin_of, read_record, read_view
from qat.stages.folders import GRAPH, INT_MODEL, MANIFEST, METRICS, PARITY, PERF, QPARAMS, THREADS, VIDEO

Json = Mapping[str, Any]
DEBUG = ("layers", "ranges", "sensitivity", "advice")
FOLDERS = {
    "calib": "calib",
    "qat": "qat",
    "compile": "compiled",
    "debug": "debug",
}  # folder -> the stage that its manifest names
GRAPHS = ("debug", "compile")  # whose graph.html is shown: the first has the layers' errors in it


@dataclass(frozen=True)
class Sources:
    """The report's sources; {} for a file that is missing or was made from something else than now.

    `metrics`: of every stage that was evaluated with this config, in order, float first. `stale`: stages and folders
    that are there and were made from other weights or another config. `sizes`: bytes of the file that holds a stage.
    `floats`: stages that compute in float. `calibration`: calib's manifest. `debug`: the debug stage's files by stem.
    `graph`: the graph's page, relative to the report's folder, "" where there is none. `videos`: the records of the
    videos that `infer` wrote, by stage.
    """

    title: str
    config: str
    gate: float
    metrics: Mapping[str, Metrics]
    stale: tuple[str, ...]
    sizes: Mapping[str, int]
    floats: frozenset[str]
    calibration: Json
    qparams: Json
    compiled: Json
    parity: Json
    perf: Json
    threads: Json
    debug: Mapping[str, Json]
    graph: str
    videos: Mapping[str, tuple[Json, ...]] = field(default_factory=dict)


def read_sources(run: Run, title: str, config: str, gate: float) -> Sources:
    """Read the stages' folders of `run`; UserError where float wasn't evaluated or a file is damaged.

    `config`: the resolved one as text. `gate`: the share of float's mIoU (0 to 1) that passes.
    """
    metrics, base = finished_stages(run), run.folders.base
    if "float" not in metrics:
        again = command("eval", stage="float")
        raise UserError(f"no evaluated float stage of this config in {base / 'float'}; run {again} first")
    current = {folder for folder, stage in FOLDERS.items() if is_current(base / folder, origin_of(run, stage))}

    def read(folder: str, name: str) -> Json:
        path = base / folder / name
        return read_json(path) if folder in current and path.is_file() else {}

    compiled = read_record(base / "compile") if "compile" in current else {}
    artefacts = _artefacts(base, compiled.get("artefacts", {}))
    return Sources(
        title=title,
        config=config,
        gate=gate,
        metrics=metrics,
        stale=tuple(name for name in _left(base) if name not in metrics and name not in current),
        sizes=_checkpoints(run) | {stage: record["bytes"] for stage, record in artefacts.items()},
        floats=frozenset({"float"} | {stage for stage, each in artefacts.items() if each["kind"] not in INT8_KINDS}),
        calibration=read_record(base / "calib") if "calib" in current else {},
        qparams=read_view(base / "calib", QPARAMS) if "calib" in current else {},
        compiled=compiled,
        parity=read("compile", PARITY),
        perf=read("compile", PERF),
        threads=read("compile", THREADS),
        debug={name: read("debug", f"{name}.json") for name in DEBUG},
        graph=next((f"../{name}/{GRAPH}" for name in GRAPHS if _has_graph(base / name, current)), ""),
        videos={run.folders.title(stage): found for stage in STAGES if (found := _videos(run, stage))},
    )


def _videos(run: Run, stage: str) -> tuple[Json, ...]:
    """The records of the stage's videos in its own folder that were made from what it is made from now."""
    paths = sorted((run.folders.stage(stage) / "infer").glob(f"*{VIDEO}"))
    records = (read_json(path) for path in paths)
    return tuple(one for one in records if _is_same(one.get("made_from"), origin_of(run, stage)))


def _is_same(recorded: object, origin: Origin) -> bool:
    """Whether a record names what a stage is made from now."""
    return isinstance(recorded, dict) and origin.difference(recorded) is None


def _has_graph(folder: Path, current: set[str]) -> bool:
    return folder.name in current and (folder / GRAPH).is_file()


def _left(base: Path) -> list[str]:
    """Evaluated stages by title, and folders with a manifest, whatever they were made from."""
    plain = [stage for stage in STAGES if (base / stage / METRICS).is_file()]
    compiled = [f"compiled {path.parent.name}" for path in sorted(base.glob(f"compile/eval/*/{METRICS}"))]
    folders = [name for name in FOLDERS if name not in plain and (base / name / MANIFEST).is_file()]
    return [*plain, *compiled, *folders]


def _artefacts(base: Path, records: Mapping[str, Json]) -> dict[str, Json]:
    """int_infer and each compiled stage -> the entry of the artefact that it ran."""
    manifests = sorted(base.glob(f"compile/eval/*/{MANIFEST}"))
    names = {f"compiled {path.parent.name}": read_record(path.parent).get("artefact") for path in manifests}
    named = {"int_infer": INT_MODEL} | {stage: name for stage, name in names.items() if isinstance(name, str)}
    return {stage: records[name] for stage, name in named.items() if name in records}


def _checkpoints(run: Run) -> dict[str, int]:
    """Bytes of each stage's checkpoint."""
    own = bool(run.own_weights)  # no file holds them
    paths = {} if own else {"float": run.weights_file}
    paths |= {stage: run.folders.checkpoint(stage) for stage in CHECKPOINTS}
    return {stage: path.stat().st_size for stage, path in paths.items() if path.is_file()}
