"""The batches that a run learns from and is measured on."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DistributedSampler

from qat.data import Loader, SegmentationDataset, data_loader
from qat.data.augmentation import TrainingTransform
from qat.data.descriptor import IGNORE
from qat.data.segmentation import Image
from qat.errors import UserError
from qat.training.distributed import DistContext


@dataclass(frozen=True)
class DataConfig:
    """The settings of the batches. `batch_size`: of each process. `val_images`: 0 for all of them.

    `seed`: of the order, and of torch's own randomness.
    """

    batch_size: int = 8
    val_batch_size: int = 1
    val_images: int = 0
    workers: int = 0
    shuffle: bool = True
    seed: int = 0


@dataclass(frozen=True)
class Loaders:
    """Batches of this process's share of the training list, and of the evaluation's."""

    train: Loader
    val: Loader


@dataclass(frozen=True)
class WithoutLabels:
    """A training transform for pictures without labels. `label`: makes the picture's, of which nothing is learnt."""

    transform: TrainingTransform
    label: Callable[[Image], Any]

    def __call__(self, image: Image, label: Any, rng: np.random.Generator) -> dict[str, Tensor]:
        """As the transform."""
        return self.transform(image, self.label(image), rng)


def empty_label(task: str, classes: int) -> Callable[[Image], Any]:
    """Makes a picture's label that says nothing: every pixel ignored, no boxes, points without marks.

    A classified picture has class 0, so its loss must weigh nothing.
    """
    if task == "segmentation":
        return _ignored
    shape = {"detection": (0, 5), "keypoints": (classes, 4), "classification": (1,)}[task]
    return partial(_zeros, shape=shape, kind=np.int64 if task == "classification" else np.float32)


def _ignored(image: Image) -> Any:
    return np.full(image.shape[:2], IGNORE, np.uint8)


def _zeros(image: Image, shape: tuple[int, ...], kind: type) -> Any:
    return np.zeros(shape, kind)


def has_labels(dataset: SegmentationDataset) -> bool:
    """Whether its split has labels: all of them or none."""
    return all(entry.label is not None for entry in dataset.entries)


def make_loaders(
    config: DataConfig, train: SegmentationDataset, val: SegmentationDataset, context: DistContext
) -> Loaders:
    """Each process gets every `world`-th picture of an order made of (seed, epoch), in whole batches.

    Raises UserError if an epoch has no whole batch.
    """
    if len(train) // context.world < config.batch_size:
        raise UserError(
            f"{len(train)} training images in {context.world} process(es) make no batch of {config.batch_size}; "
            "lower TRAIN.BATCH_SIZE_PER_GPU"
        )
    order: DistributedSampler[Any] = DistributedSampler(
        train, context.world, context.rank, shuffle=config.shuffle, seed=config.seed, drop_last=True
    )
    images = range(min(len(val), config.val_images or len(val)))
    batches = [images[first : first + config.val_batch_size] for first in images[:: config.val_batch_size]]
    own = list(chain.from_iterable(context.share(batches)))
    return Loaders(
        data_loader(train, config.batch_size, config.workers, sampler=order, drop_last=True),
        data_loader(val, config.val_batch_size, config.workers, indices=own),
    )


def seed_epoch(seed: int, epoch: int, rank: int) -> None:
    """Seeds torch from (seed, epoch, rank) alone, so that a resumed epoch draws the same numbers."""
    torch.manual_seed(zlib.crc32(f"{seed} {epoch} {rank}".encode()))


def to_device(batch: dict[str, Any], device: torch.device) -> tuple[Tensor, Any, Any]:
    """image (N, 3, H, W) float32 channels_last, label (N, H, W) int64, edge (N, H, W) float32.

    Of pictures with objects: label a float32 (n, 5) for each picture, edge None.
    """
    image = batch["image"].to(device, memory_format=torch.channels_last, non_blocking=True)
    if "edge" not in batch:
        return image, [boxes.to(device, non_blocking=True) for boxes in batch["label"]], None
    return image, batch["label"].to(device, non_blocking=True), batch["edge"].to(device, non_blocking=True)
