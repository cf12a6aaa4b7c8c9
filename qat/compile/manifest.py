"""The compile folder's manifest: each file's hash, size and origin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from yacs.config import CfgNode

from qat.compile.artefacts import BEST, Made
from qat.compile.network import size_of
from qat.compile.verify.runtimes import Parity
from qat.environment import environment
from qat.runtimes import NAMES, installed
from qat.workflow import stages


def manifest_of(
    cfg: CfgNode, made: Sequence[Made], missing: Mapping[str, str], folder: Path, macs: int, parity: Parity
) -> dict[str, Any]:
    """`made` lie in `folder`; `missing`: why others don't; `macs`: of one run. Runtimes: those that ran the file."""
    ran = {name: [r for r in found if found[r].get("images") and r in NAMES] for name, found in parity.items()}
    width, height = size_of(cfg)
    batch = "any" if cfg.COMPILE.DYNAMIC_BATCH else "1"
    return {
        "stage": "compiled",
        "made_from": dict(stages.made_from(cfg, "compiled").values),
        "artefacts": {artefact.name: artefact.record(folder, macs, ran[artefact.name]) for artefact in made},
        "missing": dict(missing),
        "best": {runtime: name for runtime, name in BEST.items() if runtime in ran.get(name, [])},
        "input": {"height": height, "width": width, "type": cfg.COMPILE.INPUT, "batch": batch},
        "output": cfg.COMPILE.OUTPUT,
        "opset": cfg.COMPILE.OPSET,
        "runtimes": installed(),
        "environment": environment(),
    }
