"""Cityscapes, and whatever lies in its layout: leftImg8bit/<split>/<city>/*, gtFine/<split>/<city>/*."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from yacs.config import CfgNode

from qat.data.encodings import LABEL_IDS, Encoding, train_ids
from qat.data.labels import CITYSCAPES
from qat.data.listing import Entry, checked, make_entry, read_list
from qat.data.segmentation import SegmentationDataset, Transform
from qat.errors import UserError

_IMAGES, _LABELS, _IMAGE_END = "leftImg8bit", "gtFine", "_leftImg8bit.png"
_LABEL_ENDS = {"labelIds": "_gtFine_labelIds.png", "trainIds": "_gtFine_labelTrainIds.png"}
_log = logging.getLogger(__name__)


def cityscapes(cfg: CfgNode, subset: str, transform: Transform) -> SegmentationDataset:
    """The Cityscapes of the config: root from CITYSCAPES_DATASET or DATASET.ROOT; `subset` a split or a list file."""
    variable = os.environ.get("CITYSCAPES_DATASET", "")
    root = Path(variable or cfg.DATASET.ROOT)
    if not root.is_dir():
        source = "CITYSCAPES_DATASET" if variable else "DATASET.ROOT"
        raise UserError(f"{source} {root} is not a folder; set it to the one that holds {_IMAGES} and {_LABELS}")
    return from_root(root, subset, cfg, transform)


def from_root(root: Path, subset: str, cfg: CfgNode, transform: Transform) -> SegmentationDataset:
    """The split or list `subset` of `root`, or of its subfolder `cityscapes` (where the official PIDNet looks)."""
    entries = find(root, subset, cfg.DATASET.LABELS)
    classes = CITYSCAPES.resized(cfg.DATASET.NUM_CLASSES)
    encodings = [encoding_of(entry.label, cfg.DATASET.LABELS, len(classes.names)) for entry in entries]
    return SegmentationDataset(entries, encodings, classes, transform, cfg.TRAIN.SEED)


def find(root: Path, subset: str, labels: str = "auto") -> list[Entry]:
    """Sorted entries of a list file `root/subset`, or else of the split of that name in the layout."""
    bases = [base for base in (root / "cityscapes", root) if base.is_dir()]
    if (root / subset).is_file():
        return read_list(root / subset, bases)
    split = Path(subset).stem
    base = next((base for base in bases if (base / _IMAGES / split).is_dir()), None)
    if base is None:
        expected = f"expected a list file, or images in {bases[-1] / _IMAGES / split}"
        raise UserError(
            f"{subset} is no list file and no split of {root}; {expected}; set DATASET.ROOT, TRAIN_SET, TEST_SET"
        )
    if split != subset:
        _log.info("no list file %s: using the split %s of %s", root / subset, split, base)
    return _layout(base, split, labels)


def _layout(base: Path, split: str, labels: str) -> list[Entry]:
    folder = base / _IMAGES / split
    images = sorted(folder.rglob(f"*{_IMAGE_END}"))
    if not images:
        raise UserError(f"{folder} holds no image; expected <city>/*{_IMAGE_END}")
    return checked((make_entry(base, image, _label_path(base, split, image, labels)) for image in images), str(folder))


def _label_path(base: Path, split: str, image: Path, labels: str) -> Path | None:
    if split == "test":  # its public labels are dummies
        return None
    stem = image.name.removesuffix(_IMAGE_END)
    folder = base / _LABELS / image.relative_to(base / _IMAGES).parent
    ends = list(_LABEL_ENDS.values()) if labels == "auto" else [_LABEL_ENDS[labels]]
    candidates = [folder / f"{stem}{end}" for end in ends]
    return next((path for path in candidates if path.is_file()), candidates[0])


def encoding_of(label: Path | None, labels: str, num_classes: int) -> Encoding:
    """The encoding that DATASET.LABELS names, or with `auto` the one that the file's name says."""
    if labels == "trainIds" or (labels == "auto" and label is not None and "TrainIds" in label.name):
        return train_ids(num_classes)
    if labels == "auto" and label is not None and "labelIds" not in label.name:
        raise UserError(f"the name of label {label} tells no encoding; set DATASET.LABELS to labelIds or trainIds")
    return LABEL_IDS
