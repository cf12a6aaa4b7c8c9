"""`streets`: a generated Cityscapes-layout folder, written on first use and then read as Cityscapes."""

from __future__ import annotations

from pathlib import Path

from yacs.config import CfgNode

from qat.data.cityscapes import from_root
from qat.data.segmentation import SegmentationDataset, Transform
from qat.data.streets import write


def streets(cfg: CfgNode, subset: str, transform: Transform) -> SegmentationDataset:
    """The generated street pictures under DATASET.ROOT, as DATASET.STREETS_* say."""
    return from_root(written(cfg), subset, cfg, transform)


def written(cfg: CfgNode) -> Path:
    """The folder of these pictures; written first where it isn't there. Other numbers or seeds: another folder."""
    train, val, seed = (cfg.DATASET[key] for key in ("STREETS_TRAIN", "STREETS_VAL", "STREETS_SEED"))
    return write(Path(cfg.DATASET.ROOT) / f"seed{seed}-train{train}-val{val}", train=train, val=val, seed=seed)
