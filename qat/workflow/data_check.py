"""What the sets that a config names hold, as `check` shows it; a set that isn't there is said, not an error."""

from __future__ import annotations

from yacs.config import CfgNode

from qat.data import build_dataset
from qat.data.label_counts import require_classes
from qat.data.segmentation import DataSpec, streets_folder
from qat.data.set_findings import SetFindings, find_in
from qat.data.transforms import InferenceTransform
from qat.errors import UserError
from qat.resources import expand
from qat.workflow.settings import data_spec


def data_findings(config: CfgNode) -> tuple[SetFindings, ...]:
    """Reads some pictures and labels of DATASET.TRAIN_SET and TEST_SET; nothing is generated."""
    spec = data_spec(config)
    return tuple(_found(spec, split) for split in spec.subsets)


def _found(spec: DataSpec, split: str) -> SetFindings:
    name = f"{split} ({spec.subsets[split]})"
    try:
        if spec.streets and not streets_folder(expand(spec.root, "DATASET.ROOT"), spec.streets).is_dir():
            return SetFindings(name, problem="its pictures are generated when a stage first needs them")
        dataset = build_dataset(spec, split, InferenceTransform())
        require_classes(dataset, range(len(dataset)), name)
        return find_in(name, dataset)
    except UserError as error:
        return SetFindings(name, problem=str(error))
