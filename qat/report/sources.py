"""Everything that the stages left on disk for the report, read once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yacs.config import CfgNode

from qat.compile.perf.report import INT8_KINDS
from qat.errors import UserError
from qat.evaluation.metrics import Metrics
from qat.files import read_json
from qat.stages import is_current
from qat.workflow import stages

Json = Mapping[str, Any]
DEBUG = ("layers", "ranges", "sensitivity", "advice")
FOLDERS = {
    "calib": "calib",
    "qat": "qat",
    "compile": "compiled",
    "debug": "debug",
}  # folder -> the stage that its manifest names
GRAPHS = ("debug", "compile")  # whose graph.html is shown: the first has the layers' errors in it
TRACED = "int_model.pt"  # int_infer as a file


@dataclass(frozen=True)
class Sources:
    """What the report is written from; {} for a file that isn't there or was made from something else than now.

    `metrics`: of every stage that was evaluated with this config, in order, float first. `stale`: stages and folders
    that are there and were made from other weights or another config. `sizes`: bytes of the file that holds a stage.
    `floats`: stages that compute in float. `made`: calib's manifest. `debug`: the debug stage's files by stem. `graph`:
    the graph's page, relative to the report's folder, "" where there is none.
    """

    title: str
    config: str
    gate: float
    metrics: Mapping[str, Metrics]
    stale: tuple[str, ...]
    sizes: Mapping[str, int]
    floats: frozenset[str]
    made: Json
    qparams: Json
    compiled: Json
    parity: Json
    perf: Json
    debug: Mapping[str, Json]
    graph: str


def read_sources(cfg: CfgNode) -> Sources:
    """Read the stages' folders of `cfg`; UserError where float wasn't evaluated or a file is damaged."""
    metrics = stages.finished_stages(cfg)
    base = stages.stage_folder(cfg, "float").parent
    if "float" not in metrics:
        raise UserError(f"no evaluated float stage of this config in {base / 'float'}; run make eval STAGE=float first")
    current = {folder for folder in FOLDERS if _is_current(cfg, base / folder)}

    def read(folder: str, name: str) -> Json:
        path = base / folder / name
        return read_json(path) if folder in current and path.is_file() else {}

    compiled = read("compile", "manifest.json")
    files = _files(base, compiled.get("artefacts", {}))
    return Sources(
        title=f"{cfg.NAME} on {cfg.DATASET.DATASET}",
        config=cfg.dump(),
        gate=cfg.QUANT.GATE,
        metrics=metrics,
        stale=tuple(name for name in _found(base) if name not in metrics and name not in current),
        sizes=_checkpoints(cfg) | {stage: record["bytes"] for stage, record in files.items()},
        floats=frozenset({"float"} | {stage for stage, record in files.items() if record["kind"] not in INT8_KINDS}),
        made=read("calib", "manifest.json"),
        qparams=read("calib", "qparams.json"),
        compiled=compiled,
        parity=read("compile", "parity.json"),
        perf=read("compile", "perf.json"),
        debug={name: read("debug", f"{name}.json") for name in DEBUG},
        graph=next((f"../{name}/graph.html" for name in GRAPHS if _has_graph(base / name, current)), ""),
    )


def _is_current(cfg: CfgNode, folder: Path) -> bool:
    return is_current(folder, stages.made_from(cfg, FOLDERS[folder.name]))


def _has_graph(folder: Path, current: set[str]) -> bool:
    return folder.name in current and (folder / "graph.html").is_file()


def _found(base: Path) -> list[str]:
    """Evaluated stages by title, and folders with a manifest, whatever made them."""
    plain = [stage for stage in stages.STAGES if (base / stage / "metrics.json").is_file()]
    ran = [f"compiled {path.parent.name}" for path in sorted(base.glob("compile/eval/*/metrics.json"))]
    folders = [name for name in FOLDERS if name not in plain and (base / name / "manifest.json").is_file()]
    return [*plain, *ran, *folders]


def _files(base: Path, artefacts: Mapping[str, Json]) -> dict[str, Json]:
    """int_infer and each compiled stage -> the entry of the artefact that it ran."""
    found = sorted(base.glob("compile/eval/*/manifest.json"))
    ran = {f"compiled {path.parent.name}": read_json(path).get("artefact") for path in found}
    return {stage: artefacts[file] for stage, file in {"int_infer": TRACED, **ran}.items() if file in artefacts}


def _checkpoints(cfg: CfgNode) -> dict[str, int]:
    """Bytes of each stage's checkpoint."""
    paths = {"float": stages.model_file(cfg)} | {stage: stages.checkpoint(cfg, stage) for stage in stages.SCALED}
    return {stage: path.stat().st_size for stage, path in paths.items() if path.is_file()}
