"""Takeover: the figures of the vendor's image join the stages' table and the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from yacs.config import CfgNode

from qat.compile.horizon_perf import PerfRow
from qat.errors import UserError
from qat.evaluation import Result
from qat.evaluation.distance import Changes
from qat.evaluation.metrics import metrics
from qat.evaluation.tasks.segmentation import SegmentationTally
from qat.files import read_json, replaced_folder, sha256, write_json
from qat.handover.returned import Probed, Returned, read_returned
from qat.handover.runner.plan import PLAN, WEIGHTS
from qat.handover.runner.steps import STEPS
from qat.invocation import command
from qat.models import short_name
from qat.stages import finished_stages, origin_of, read_record, write_record
from qat.stages.folders import DUMP, HANDOVER, METRICS, PERF_STAGE, PLUGIN
from qat.workflow.handing_over import run_to_hand_over
from qat.workflow.progress import Progress, silent
from qat.workflow.run import run_of


@dataclass(frozen=True)
class Takeover:
    """The folder of the plugin's stages, the metrics of every stage so far, the compiler's estimate of speed, the
    versions in the image, and the steps that weren't run there.
    """

    folder: Path
    stages: Mapping[str, Mapping[str, Any]]
    perf: tuple[PerfRow, ...]
    versions: Mapping[str, str]
    left: tuple[str, ...]


def takeover(config: CfgNode, progress: Progress = silent, *, folder: str | Path) -> Takeover:
    """Read what run.py brought back: its stages become rows of the stages' table and the report, beside ours.

    Args:
        config: the run's config, as of the handover.
        progress: not called.
        folder: the bundle that came back, or its results.json and results.npz.

    Returns:
        The metrics of every stage, ours and the plugin's, and the compiler's estimate.

    Raises:
        UserError: if no bundle was written or it is stale, and for results of another run or damaged.
    """
    config = run_to_hand_over(config)
    run = run_of(config)
    plan = _plan(config)
    returned = _read(config, plan, Path(folder))
    base, more = run.folders.stage(PLUGIN), {"versions": dict(returned.versions), "scales": dict(returned.scales)}
    with replaced_folder(base) as aside:
        for stage, content in _metrics(config, plan, returned).items():
            write_record(aside / stage, f"{PLUGIN} {stage}", config.dump(), origin_of(run, HANDOVER), more)
            write_json(aside / stage / METRICS, content)
        for stage, logits in returned.logits.items():
            _dump(aside / stage / DUMP, plan["probes"], logits)
    rows = () if returned.perf is None else (returned.perf,)
    return Takeover(base, finished_stages(run), rows, returned.versions, returned.left)


def _plan(config: CfgNode) -> Mapping[str, Any]:
    """The bundle's plan; UserError without a current bundle, and where it isn't as it was written."""
    run = run_of(config)
    bundle = run.folders.stage(HANDOVER)
    record = read_record(bundle)
    if not record:
        raise UserError(f"no bundle in {bundle}; run {command('handover', target='j5')} first")
    if difference := origin_of(run, HANDOVER).difference(record["made_from"]):
        raise UserError(f"the bundle in {bundle} is stale: written with {difference}; write it again")
    for name in (PLAN, WEIGHTS):
        if sha256(bundle / name) != record[f"{name} sha256"]:
            raise UserError(f"{bundle / name} isn't as it was written; run {command('handover', target='j5')} again")
    return dict(read_json(bundle / PLAN))


def _read(config: CfgNode, plan: Mapping[str, Any], folder: Path) -> Returned:
    bundle = run_of(config).folders.stage(HANDOVER)
    names = [entry["name"] for entry in plan["evaluation"]]
    return read_returned(folder, bundle, [step.__name__ for step in STEPS], names, len(plan["classes"]))


def _metrics(config: CfgNode, plan: Mapping[str, Any], returned: Returned) -> dict[str, dict[str, Any]]:
    """metrics.json by stage; a stage that was only probed has no mIoU, and the estimate has its time alone."""
    model, where = short_name(config.MODEL.NAME), {"plugin": returned.versions.get("plugin", "unknown")}
    probed = {stage: _on_probes(plan["probes"], each) for stage, each in returned.probed.items()}
    results = probed | dict(returned.measured)
    if returned.perf:
        seconds = returned.perf.latency_ms / 1000
        results[PERF_STAGE] = Result((returned.perf.source,), seconds, seconds)
    return {stage: metrics(result, plan["classes"], model, where) for stage, result in results.items()}


def _dump(folder: Path, names: Sequence[str], logits: np.ndarray) -> None:
    """The probes' logits as `infer --logits` writes them, to hold a board's dumps against."""
    for name, values in zip(names, logits, strict=True):
        path = folder / f"{name}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, values)


def _on_probes(names: Sequence[str], probed: Probed) -> Result:
    seconds = probed.forward_seconds
    tally = SegmentationTally(1, Changes(probed.pixels_changed, 1))
    return Result(tuple(names), seconds, seconds, probed.logit_sqnr, tally)
