"""The optimiser and its learning rate."""

from __future__ import annotations

import torch
from torch import nn
from torch.optim import Optimizer
from yacs.config import CfgNode

OPTIMIZERS = ("sgd", "adamw")


def make_optimizer(model: nn.Module, cfg: CfgNode) -> Optimizer:
    """TRAIN.OPTIMIZER: SGD or AdamW of what needs gradients.

    TRAIN.WD pulls on every parameter with SGD, as the official training does; with AdamW on matrices and kernels only,
    not on biases and batch norms. TRAIN.MOMENTUM is SGD's momentum and AdamW's first beta.
    """
    train = cfg.TRAIN
    if train.OPTIMIZER == "adamw":
        return torch.optim.AdamW(_groups(model, train.WD), lr=train.LR, betas=(train.MOMENTUM, 0.999))
    options = {"momentum": train.MOMENTUM, "weight_decay": train.WD, "nesterov": train.NESTEROV}
    return torch.optim.SGD(_learning(model), lr=train.LR, **options)


def _learning(model: nn.Module) -> list[nn.Parameter]:
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def _groups(model: nn.Module, decay: float) -> list[dict[str, object]]:
    parameters = _learning(model)
    kernels = [parameter for parameter in parameters if parameter.ndim > 1]
    others = [parameter for parameter in parameters if parameter.ndim <= 1]
    return [{"params": kernels, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]


def poly_lr(iteration: int, total: int, base: float, power: float = 0.9, warmup: int = 0, least: float = 0.0) -> float:
    """Learning rate of the 0-based `iteration` of `total`: least + (base - least) * (1 - iteration / total) ** power.

    The first `warmup` iterations take a share of that which grows linearly to 1.

    >>> [poly_lr(i, total=4, base=1.0, power=1.0, warmup=2) for i in range(4)]
    [0.5, 0.75, 0.5, 0.25]
    """
    share = min(1.0, (iteration + 1) / warmup) if warmup else 1.0
    return share * (least + (base - least) * (1 - iteration / total) ** power)


def set_lr(optimizer: Optimizer, lr: float) -> None:
    """Set the learning rate of every parameter group."""
    for group in optimizer.param_groups:
        group["lr"] = lr
