"""`streets`: a generated Cityscapes-layout folder, written on first use and then read as Cityscapes."""

from __future__ import annotations

import logging
from pathlib import Path

from yacs.config import CfgNode

from datasets.cityscapes import from_root
from datasets.segmentation import SegmentationDataset, Transform
from datasets.streets import write

_log = logging.getLogger(__name__)


def streets(cfg: CfgNode, subset: str, transform: Transform) -> SegmentationDataset:
    """The generated street pictures under DATASET.ROOT, as DATASET.STREETS_* say; written on first use.

    Each set of numbers has its own folder, so that runs with different ones don't replace each other's pictures.
    """
    train, val, seed = (cfg.DATASET[f"STREETS_{key}"] for key in ("TRAIN", "VAL", "SEED"))
    root = Path(cfg.DATASET.ROOT) / f"seed{seed}-train{train}-val{val}"
    if not root.is_dir():
        _log.info("writing %d + %d street pictures to %s", train, val, root)
    return from_root(write(root, train=train, val=val, seed=seed), subset, cfg, transform)
