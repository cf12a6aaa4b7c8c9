"""What a run learns from and is measured on."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DistributedSampler
from yacs.config import CfgNode

from qat.data import Loader, SegmentationDataset, build_dataset, data_loader
from qat.data.labels import IGNORE
from qat.data.segmentation import Image
from qat.data.transforms import InferenceTransform, TrainingTransform
from qat.errors import UserError
from qat.training.distributed import Place
from qat.workflow.data import data_spec, training_transform


@dataclass(frozen=True)
class Data:
    """Batches of this process's share of the training list, and all of the evaluation's."""

    train: Loader
    val: Loader


def build_data(cfg: CfgNode) -> tuple[SegmentationDataset, SegmentationDataset]:
    """DATASET.TRAIN_SET with the training transform, DATASET.TEST_SET with the inference transform."""
    spec = data_spec(cfg)
    return build_dataset(spec, "train", training_transform(cfg)), build_dataset(spec, "val", InferenceTransform())


@dataclass(frozen=True)
class WithoutLabels:
    """A training transform for pictures without labels: every pixel is ignored."""

    transform: TrainingTransform

    def __call__(self, image: Image, label: Image | None, rng: np.random.Generator) -> dict[str, Tensor]:
        """As `TrainingTransform`."""
        return self.transform(image, np.full(image.shape[:2], IGNORE, np.uint8), rng)


def has_labels(dataset: SegmentationDataset) -> bool:
    """Whether its split has labels: all of them or none."""
    return all(entry.label is not None for entry in dataset.entries)


def make_loaders(cfg: CfgNode, train: Any, val: Any, place: Place) -> Data:
    """Each process gets every `world`-th image of an order made of (TRAIN.SEED, epoch), in whole batches.

    Raises UserError if an epoch has no whole batch.
    """
    batch, share = cfg.TRAIN.BATCH_SIZE_PER_GPU, len(train) // place.world
    if share < batch:
        raise UserError(
            f"{len(train)} training images in {place.world} process(es) make no batch of {batch}; "
            "lower TRAIN.BATCH_SIZE_PER_GPU"
        )
    order: DistributedSampler[Any] = DistributedSampler(
        train, place.world, place.rank, shuffle=cfg.TRAIN.SHUFFLE, seed=cfg.TRAIN.SEED, drop_last=True
    )
    count = min(len(val), cfg.TEST.NUM_IMAGES or len(val))
    return Data(
        data_loader(train, batch, cfg.WORKERS, sampler=order, drop_last=True),
        data_loader(val, cfg.TEST.BATCH_SIZE_PER_GPU, cfg.WORKERS, indices=range(count)),
    )


def seed_epoch(seed: int, epoch: int, rank: int) -> None:
    """Torch's own randomness, from (seed, epoch, rank) alone: a resumed epoch draws what it would have drawn."""
    torch.manual_seed(zlib.crc32(f"{seed} {epoch} {rank}".encode()))


def to_device(batch: dict[str, Any], device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """image (N, 3, H, W) float32 channels_last, label (N, H, W) int64, edge (N, H, W) float32."""
    image = batch["image"].to(device, memory_format=torch.channels_last, non_blocking=True)
    return image, batch["label"].to(device, non_blocking=True), batch["edge"].to(device, non_blocking=True)
