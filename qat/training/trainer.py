"""Training of the float network."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from yacs.config import CfgNode

from qat.evaluation import Result
from qat.models import build_model, resolve
from qat.training.data import build_data, to_device
from qat.training.distributed import Place, choose_kernels
from qat.training.loop import Loop
from qat.training.losses import RECIPES, LossConfig
from qat.training.optim import make_optimizer
from qat.training.pretrained import load_pretrained
from qat.training.reporting import Reporter
from qat.training.schedule import Plan
from qat.training.state import export

_log = logging.getLogger(__name__)


def make_trainer(cfg: CfgNode, place: Place) -> Trainer:
    """The run that a config describes: MODEL.NAME, from MODEL.PRETRAINED or from scratch, on DATASET."""
    choose_kernels(cfg)
    torch.manual_seed(cfg.TRAIN.SEED)
    model = build_model(cfg.MODEL.NAME, cfg.DATASET.NUM_CLASSES, aux=True)
    if cfg.MODEL.PRETRAINED:
        load_pretrained(model, cfg.MODEL.PRETRAINED)
    return Trainer(cfg, place, model, *build_data(cfg))


class Trainer(Loop):
    """One run. `model` is a train form: (N, 3, H, W) -> its row's `outputs`.

    The folder gets the best weights by mIoU and the final ones too.
    """

    advice = "lower TRAIN.LR or raise TRAIN.WARMUP"
    batch_norm_learns = True

    def __init__(self, cfg: CfgNode, place: Place, model: nn.Module, train_set: Any, val_set: Any) -> None:
        model = model.to(device=place.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        optimizer = make_optimizer(model, cfg)
        super().__init__(cfg, place, Plan.of_training(cfg), model, optimizer, train_set, val_set)
        self.spec = resolve(cfg.MODEL.NAME)
        self.loss = LossConfig.from_cfg(cfg, train_set.class_weights)

    def refuses(self, checkpoint: Path) -> str:
        """Going on is the user's choice."""
        return "" if self.cfg.TRAIN.RESUME or self.cfg.AUTO_RESUME else "TRAIN.RESUME True would go on from it"

    def losses(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """The network's recipe."""
        image, label, edge = to_device(batch, self.place.device)
        with torch.autocast(self.place.device.type, torch.bfloat16, enabled=self.cfg.TRAIN.AMP == "bf16"):
            outputs = self.network(image)
        return RECIPES[self.spec.loss](outputs, label, edge, self.loss)

    def averaged(self) -> Callable[[Tensor], Tensor]:
        """The train form's main head."""
        return lambda x: self.state.average.model(x)[self.spec.main_index]

    def after_epoch(self, result: Result | None, reporter: Reporter) -> None:
        """Export the weights if they are the best so far."""
        if result and result.scores.mean_iou > self.progress.best:
            self.progress.best = result.scores.mean_iou
            export(self.state.average.model, self.folder / "best.safetensors")

    def finish(self) -> None:
        """Export the last weights."""
        export(self.state.average.model, self.folder / "final.safetensors")
        _log.info("best mIoU %.4f; weights in %s", self.progress.best, self.folder)
