"""The lines that say what a tool works with."""

from __future__ import annotations

import logging

from yacs.config import CfgNode

from qat.workflow import stages
from qat.workflow.settings import backend_choice

log = logging.getLogger(__name__)


def announce(cfg: CfgNode, stage: str) -> None:
    """Say which backend `stage` takes and which stage it starts from; nothing for float."""
    if stage == "float":
        return
    log.info("%s", backend_choice(cfg))
    if stage not in stages.SCALED:
        log.info("%s starts from %s (QUANT.FROM %s)", stage, stages.source(cfg), cfg.QUANT.FROM)
