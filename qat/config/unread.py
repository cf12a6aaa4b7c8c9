"""Keys of official files that decide nothing here: named where they ask for something else than what is done."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from yacs.config import CfgNode

DONE: Mapping[str, tuple[tuple[Any, ...], str]] = {  # key -> the values that say what is done, and what is done
    "PIN_MEMORY": ((True,), "batches are copied as they are"),
    "MODEL.NUM_OUTPUTS": ((2,), "a network's own row says which outputs are trained"),
    "DATASET.EXTRA_TRAIN_SET": (("",), "training takes DATASET.TRAIN_SET alone"),
    "TRAIN.EXTRA_LR": ((0.001,), "there are no extra epochs"),
    "TRAIN.EXTRA_EPOCH": ((0,), "there are no extra epochs"),
    "TRAIN.BEGIN_EPOCH": ((0,), "training begins at 0, or where TRAIN.RESUME finds it"),
    "TEST.OUTPUT_INDEX": ((-1, 1), "the main output is scored"),
}


def unread(config: CfgNode, processes: int = 1) -> str:
    """Returns one line on the keys that are set and do nothing; "" where there are none.

    Args:
        config: the run's config.
        processes: those that torchrun started, which GPUS stands for in the official files.

    Example:
        >>> from qat.config import load_config
        >>> unread(load_config(None, ["PIN_MEMORY", "False"]))
        'read, not used: PIN_MEMORY False (batches are copied as they are)'
    """
    found = [
        f"{key} {value} ({done})" for key, (usual, done) in DONE.items() if (value := _at(config, key)) not in usual
    ]
    if (gpus := _gpus(config.GPUS)) > max(processes, 1):
        batch = config.TRAIN.BATCH_SIZE_PER_GPU
        found.append(
            f"GPUS {config.GPUS} (torchrun starts processes, --nproc_per_node {gpus}; {processes} trains at a batch of "
            f"{processes * batch}, where {gpus} have {gpus * batch})"
        )
    return f"read, not used: {'; '.join(found)}" if found else ""


def _gpus(value: Any) -> int:
    return len(value) if isinstance(value, (tuple, list)) else 1


def _at(config: CfgNode, key: str) -> Any:
    section, _, name = key.rpartition(".")
    return (config[section] if section else config)[name]
