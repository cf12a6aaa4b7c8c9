"""Where the float stage's logits lie."""

from __future__ import annotations

import hashlib
import json

from yacs.config import CfgNode

from qat.evaluation import LogitStore
from qat.workflow import stages


def float_logits(cfg: CfgNode) -> LogitStore:
    """The recording of make eval STAGE=float, which refuses those of other weights or another config."""
    key = json.dumps(dict(stages.made_from(cfg, "float").values))
    return LogitStore(stages.stage_folder(cfg, "float") / "logits", hashlib.sha256(key.encode()).hexdigest())
