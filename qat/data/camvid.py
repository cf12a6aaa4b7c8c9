"""CamVid in SegNet's 11-class split: list files of image and label, void 11 ignored."""

from __future__ import annotations

import os
from pathlib import Path

from yacs.config import CfgNode

from qat.data.encodings import CAMVID_INDICES
from qat.data.labels import CAMVID
from qat.data.listing import read_list
from qat.data.segmentation import SegmentationDataset, Transform
from qat.errors import UserError

_DEFAULT_ROOTS = (Path("data"), Path("data/camvid"))  # nobody chose these: the shared folder may stand in
_LAST_RESORT = Path(__file__).resolve().parents[2] / "shared" / "camvid"


def camvid(cfg: CfgNode, subset: str, transform: Transform) -> SegmentationDataset:
    """The CamVid of the config; `subset` is a list file relative to the root, paths in it too."""
    root = find_root(cfg.DATASET.ROOT, subset)
    entries = read_list(root / subset, [base for base in (root / "camvid", root) if base.is_dir()])
    classes = CAMVID.resized(cfg.DATASET.NUM_CLASSES)
    return SegmentationDataset(entries, [CAMVID_INDICES] * len(entries), classes, transform, cfg.TRAIN.SEED)


def find_root(configured: str, subset: str) -> Path:
    """CAMVID_ROOT if set, else the configured root; the shared folder where that is a default without the list."""
    root = Path(os.environ.get("CAMVID_ROOT", "") or configured)
    roots = [root, _LAST_RESORT] if root in _DEFAULT_ROOTS else [root]
    found = next((root for root in roots if (root / subset).is_file()), None)
    if found is None:
        tried = " or ".join(str(root / subset) for root in roots)
        raise UserError(
            f"no CamVid list file {tried}; set CAMVID_ROOT or DATASET.ROOT to the folder that holds {subset}"
        )
    return found
