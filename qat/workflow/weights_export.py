"""A trained checkpoint, small enough to ship."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from yacs.config import CfgNode

from qat.files import atomic_path, sha256
from qat.models import build_model, load_checkpoint
from qat.workflow.progress import Progress, silent
from qat.workflow.run import folders_of


@dataclass(frozen=True)
class Export:
    """The file and its hash."""

    path: Path
    sha256: str


def export(
    config: CfgNode, progress: Progress = silent, *, output: str | Path, weights: str | Path | None = None
) -> Export:
    """Write a checkpoint as half-precision safetensors of the predict form.

    Args:
        config: MODEL.NAME and DATASET.NUM_CLASSES count.
        progress: not called.
        output: the file to write.
        weights: checkpoint to read; the run's best.safetensors by default.

    Returns:
        The file and its hash.

    Raises:
        UserError: where the checkpoint is missing or belongs to another network.
    """
    model = build_model(config.MODEL.NAME, config.DATASET.NUM_CLASSES)
    load_checkpoint(model, weights or folders_of(config).stage("train") / "best.safetensors")
    with atomic_path(output) as aside:
        save_file({name: _half(value) for name, value in model.state_dict().items()}, aside)
    return Export(Path(output), sha256(output))


def _half(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.half() if tensor.is_floating_point() else tensor
