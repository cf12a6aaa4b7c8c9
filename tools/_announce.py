"""The lines that say what a tool works with."""

from __future__ import annotations

import logging

from yacs.config import CfgNode

from qat.backends.select import choose_backend
from qat.workflow import stages

log = logging.getLogger(__name__)


def announce(cfg: CfgNode, stage: str) -> None:
    """Say which backend `stage` takes and which stage it starts from; nothing for float."""
    if stage == "float":
        return
    log.info("%s", choose_backend(cfg))
    if stage not in stages.SCALED:
        log.info("%s starts from %s (QUANT.FROM %s)", stage, stages.source(cfg), cfg.QUANT.FROM)
