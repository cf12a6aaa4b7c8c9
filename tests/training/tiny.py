"""Pictures, a config and a pair of networks small enough to train and fine-tune in a moment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import fx, nn
from torch.utils.data import Dataset
from yacs.config import CfgNode

import qat
from qat.backends.scales import freeze_scales, quantisers
from qat.backends.weight_scales import weighted
from qat.config import load_config
from qat.data.descriptor import IGNORE
from qat.errors import UserError
from qat.graph.trace import trace
from qat.training.distillation import TeacherStudent
from tests.networks import CLASSES, learnt_net

SIDE = 16


class Pictures(Dataset[dict[str, Any]]):
    """Pictures of one bright channel in each quarter, which is the class; random by (epoch, index) when training."""

    class_names = ("red", "green", "blue")
    palette = np.eye(CLASSES, dtype=np.uint8) * 255
    class_weights = None

    def __init__(
        self,
        length: int,
        training: bool,
        broken_epoch: int | None = None,
        nan_epoch: int | None = None,
        labels: bool = True,
    ) -> None:
        self.length, self.training, self.epoch, self.labels = length, training, 0, labels
        self.broken_epoch, self.nan_epoch = broken_epoch, nan_epoch

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> dict[str, Any]:
        if self.epoch == self.broken_epoch:
            raise UserError("killed")
        rng = np.random.default_rng([self.training, self.epoch, index])
        label = np.kron(rng.integers(0, CLASSES, (2, 2)), np.ones((SIDE // 2, SIDE // 2), np.int64))
        image = (np.eye(CLASSES)[label] * 200 + rng.integers(0, 50, (SIDE, SIDE, CLASSES))).astype(np.uint8)
        sample = {
            "image": torch.from_numpy(image),
            "label": torch.from_numpy(label.astype(np.uint8)),
            "name": f"{index}",
        }
        return self._for_training(sample) if self.training else sample

    def _for_training(self, sample: dict[str, Any]) -> dict[str, Any]:
        image, label = sample["image"].permute(2, 0, 1) / 255 - 0.5, sample["label"].long()
        label = label if self.labels else torch.full_like(label, IGNORE)
        if self.epoch == self.nan_epoch:
            image = image * float("nan")
        edge = (label != label.roll(1, 0)).float()
        return {**sample, "image": image, "label": label, "edge": edge}


def tiny_config(folder: Path, *opts: str) -> CfgNode:
    values = {
        "NAME": "tiny",
        "DEVICE": "cpu",
        "OUTPUT_DIR": str(folder / "output"),
        "LOG_DIR": str(folder / "log"),
        "WORKERS": "0",
        "PRINT_FREQ": "1",
        "DATASET.NUM_CLASSES": str(CLASSES),
        "DATASET.LABELS": "trainIds",
        "DATASET.MEAN": "[0.5, 0.5, 0.5]",
        "DATASET.STD": "[1.0, 1.0, 1.0]",
        "LOSS.OHEMKEEP": "100",
        "TRAIN.BATCH_SIZE_PER_GPU": "2",
        "TRAIN.END_EPOCH": "4",
        "TRAIN.LR": "0.05",
        "TRAIN.EMA": "0.9",
    }
    return load_config(None, [part for pair in values.items() for part in pair] + list(opts))


def calibrated(network: nn.Module) -> fx.GraphModule:
    """`network` calibrated on a few pictures."""
    pictures = Pictures(4, True)
    graph = qat.prepare(qat.rewrite(network, torch.randn(1, 3, SIDE, SIDE), "x86"))
    qat.calibrate(graph, [pictures[i]["image"][None] for i in range(4)])
    return graph


def tiny_pair(learn_scales: bool = False, seed: int = 0) -> TeacherStudent:
    """The learnt network and a poor calibration of it: scales 8 times too large, noise in the weights."""
    network, generator = learnt_net(), torch.Generator().manual_seed(seed)
    prepared = calibrated(network)
    freeze_scales(prepared)
    for _, quantiser in quantisers(prepared):
        quantiser.scale.mul_(8)
    for module in weighted(prepared):
        module.weight.data += torch.randn(module.weight.shape, generator=generator) * 0.5
    return TeacherStudent.of(prepared, prepared, trace(network, torch.randn(1, 3, SIDE, SIDE)), learn_scales)
