"""Train the float network, also in several processes that torchrun starts, and export its weights."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn
from yacs.config import CfgNode

from qat.data import SegmentationDataset, build_dataset
from qat.data.descriptor import IGNORE
from qat.data.label_counts import require_classes
from qat.errors import UserError
from qat.evaluation.tasks.detection import DETECTION, Anchors, with_anchors
from qat.files import check_place
from qat.models.checkpoint import load_pretrained
from qat.models.forms import TRAIN
from qat.torch_private import AnyBatchNorm
from qat.training import DistContext, TrainConfig, Trainer, dist_context
from qat.training.data import DataConfig, has_labels
from qat.training.loop import Loop, LoopConfig
from qat.training.losses import RECIPES, LossConfig
from qat.training.optim import OptimizerConfig, Plan
from qat.training.trainer import BEST, FINAL
from qat.workflow.load import device
from qat.workflow.network import anchors_in, build_network, network_spec, task_of
from qat.workflow.progress import Progress, counter, silent
from qat.workflow.run import folders_of
from qat.workflow.settings import data_spec, fit_of, inference_transform, training_transform

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Training:
    """The weights with the highest score (`best_score`, 0 to 1; -1 if none was measured; `title` names it), the final
    ones, and one record an epoch.
    """

    folder: Path
    best: Path
    final: Path
    best_score: float
    history: tuple[Mapping[str, Any], ...]
    title: str = "mIoU"


def train(config: CfgNode, progress: Progress = silent) -> Training:
    """Train MODEL.NAME on DATASET, from MODEL.PRETRAINED or from scratch.

    Args:
        config: the run's config.
        progress: called with the steps done, the number of steps, and a text; in the main process alone.

    Returns:
        The weights and each epoch's record; the stage's folder has the checkpoint, log and history too.

    Raises:
        UserError: if MODEL.PRETRAINED's file, pictures or labels are missing, or if a loss, gradient or weight becomes
            NaN or infinite.
    """
    with dist_context(device(config)) as context:
        trainer = make_trainer(config, context)
        history = run_loop(trainer, progress, "train")
    folder = trainer.folder
    return Training(
        folder, folder / BEST, folder / FINAL, trainer.progress.best, tuple(history), task_of(config).score_title
    )


def make_trainer(config: CfgNode, context: DistContext) -> Trainer:
    """Returns the training that a config describes."""
    task_of(config)
    _check_recipe(config)
    _check_crop(config)
    choose_kernels(config)
    torch.manual_seed(config.TRAIN.SEED)
    model = build_network(config, TRAIN)
    _set_momentum(model, config.TRAIN.BN_MOMENTUM)
    if config.MODEL.PRETRAINED:
        load_pretrained(model, config.MODEL.PRETRAINED)
    train, val = training_data(config)
    settings = train_config(config, train.class_weights, anchors_in(model.state_dict()))
    if not has_labels(train):
        where = f"DATASET.TRAIN_SET {config.DATASET.TRAIN_SET} of {config.DATASET.DATASET}"
        raise UserError(f"{where} has no labels, from which a network is trained; name them in the descriptor (labels)")
    require_classes(train, range(len(train)), f"DATASET.TRAIN_SET {config.DATASET.TRAIN_SET}")
    if not has_labels(val):
        log.warning("%s has no labels: no score on the way", config.DATASET.TEST_SET)
        settings = replace(settings, plan=replace(settings.plan, eval_every=0))
    return Trainer(settings, context, model, train, val)


def _set_momentum(model: nn.Module, momentum: float | None) -> None:
    """How fast running means and variances follow: in a short training a network's own may be too slow."""
    for layer in model.modules():
        if isinstance(layer, AnyBatchNorm) and momentum is not None:
            layer.momentum = momentum


def _check_recipe(config: CfgNode) -> None:
    """UserError for a network without a loss."""
    spec = network_spec(config)
    if not spec.loss:
        known = ", ".join(sorted(RECIPES))
        raise UserError(f"MODEL.NAME {config.MODEL.NAME} is a network for {spec.task}, and losses here are {known}")


def _check_crop(config: CfgNode) -> None:
    """UserError for crops whose sides the network's stride doesn't divide."""
    stride, (width, height) = network_spec(config).side_multiple, config.TRAIN.IMAGE_SIZE
    if width % stride or height % stride:
        near = [max(round(side / stride), 1) * stride for side in (width, height)]
        raise UserError(
            f"TRAIN.IMAGE_SIZE is {width},{height}, and a crop's sides are multiples of the network's stride {stride}; "
            f"use {near[0]},{near[1]}"
        )


def train_config(config: CfgNode, class_weights: tuple[float, ...] | None = None, anchors: Anchors = ()) -> TrainConfig:
    """Reads TRAIN and LOSS; `anchors`: of a detector that starts from weights with anchors of their own."""
    spec, loop = network_spec(config), loop_config(config, "train")
    anchors = (anchors or spec.anchors) if loop.task.name == DETECTION.name else ()
    return TrainConfig(
        network=spec,
        loop=replace(loop, task=with_anchors(loop.task, anchors)) if anchors else loop,
        plan=plan_of(config),
        optimizer=_optimizer_config(config),
        loss=replace(loss_config(config, class_weights), head_weights=spec.head_weights, anchors=anchors),
        bf16=config.TRAIN.AMP == "bf16",
    )


def run_loop(loop: Loop, progress: Progress, title: str) -> list[dict[str, Any]]:
    """Runs to the end; only the main process reports progress."""
    return loop.run(counter(progress if loop.context.main else silent, loop.steps, title))


def training_data(config: CfgNode) -> tuple[SegmentationDataset, SegmentationDataset]:
    """Returns DATASET.TRAIN_SET with the training transform and DATASET.TEST_SET with the inference transform."""
    spec = data_spec(config)
    train = build_dataset(replace(spec, size=None), "train", training_transform(config))
    return train, build_dataset(spec, "val", inference_transform(config))


def choose_kernels(config: CfgNode) -> None:
    """Applies section CUDNN."""
    torch.backends.cudnn.benchmark = config.CUDNN.BENCHMARK
    torch.backends.cudnn.deterministic = config.CUDNN.DETERMINISTIC
    torch.backends.cudnn.enabled = config.CUDNN.ENABLED


def loop_config(config: CfgNode, stage: str) -> LoopConfig:
    """Reads the settings that training and fine-tuning share."""
    data, train = config.DATASET, config.TRAIN
    return LoopConfig(
        folder=folders_of(config).stage(stage),
        board=check_place(Path(config.LOG_DIR, data.DATASET, config.NAME, stage), "LOG_DIR"),
        config=config.dump(),
        data=_data_config(config),
        num_classes=data.NUM_CLASSES,
        mean=tuple(data.MEAN),
        std=tuple(data.STD),
        align_corners=config.MODEL.ALIGN_CORNERS,
        fit=fit_of(config),
        task=task_of(config),
        log_every=config.PRINT_FREQ,
        resume=train.RESUME or config.AUTO_RESUME,
    )


def loss_config(config: CfgNode, class_weights: tuple[float, ...] | None = None) -> LossConfig:
    """Reads section LOSS; `class_weights` count only with LOSS.CLASS_BALANCE, which asks for them."""
    loss = config.LOSS
    if loss.CLASS_BALANCE and class_weights is None:
        raise UserError(
            f"LOSS.CLASS_BALANCE is True and the {config.DATASET.NUM_CLASSES} classes have no weights; give each class "
            "a weight in the data set's descriptor, or set LOSS.CLASS_BALANCE False"
        )
    _check_loss(config)
    auxiliary, main = map(float, loss.BALANCE_WEIGHTS)
    return LossConfig(
        balance=(auxiliary, main),
        boundary_aware=float(loss.SB_WEIGHTS),
        ohem=loss.USE_OHEM,
        threshold=float(loss.OHEMTHRES),
        min_kept=max(1, loss.OHEMKEEP),
        class_weights=tuple(class_weights) if loss.CLASS_BALANCE and class_weights else None,
        align_corners=config.MODEL.ALIGN_CORNERS,
    )


def _check_loss(config: CfgNode) -> None:
    loss = config.LOSS
    if len(loss.BALANCE_WEIGHTS) != 2:
        raise UserError(f"LOSS.BALANCE_WEIGHTS is {loss.BALANCE_WEIGHTS}; expected two: auxiliary head, main head")
    if not 0 < loss.OHEMTHRES <= 1:
        raise UserError(f"LOSS.OHEMTHRES is {loss.OHEMTHRES}; expected a probability above 0 and at most 1")
    if config.TRAIN.IGNORE_LABEL != IGNORE:
        raise UserError(f"TRAIN.IGNORE_LABEL is {config.TRAIN.IGNORE_LABEL}; expected {IGNORE}, as the data sets give")


def plan_of(config: CfgNode) -> Plan:
    """Reads how long a training is and how fast it learns."""
    train = config.TRAIN
    return Plan(
        stage="train",
        epochs=train.END_EPOCH,
        eval_every=train.EVAL_EVERY,
        ema=train.EMA,
        lr=train.LR,
        power=train.LR_POWER,
        warmup=train.WARMUP,
    )


def _data_config(config: CfgNode) -> DataConfig:
    train, test = config.TRAIN, config.TEST
    return DataConfig(
        batch_size=train.BATCH_SIZE_PER_GPU,
        val_batch_size=test.BATCH_SIZE_PER_GPU,
        val_images=test.NUM_IMAGES,
        workers=config.WORKERS,
        shuffle=train.SHUFFLE,
        seed=train.SEED,
    )


def _optimizer_config(config: CfgNode) -> OptimizerConfig:
    train, spec = config.TRAIN, network_spec(config)
    return OptimizerConfig(
        name=train.OPTIMIZER,
        lr=train.LR,
        momentum=train.MOMENTUM,
        weight_decay=train.WD,
        nesterov=train.NESTEROV,
        decay_kernels_only=spec.decay_kernels_only,
        fast=spec.fast,
    )
