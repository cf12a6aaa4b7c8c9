"""The optimiser, its learning rate, and how long a run is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

OPTIMIZERS = ("sgd", "adamw")
FAST = 10.0
_FACTOR = "lr_factor"  # of a parameter group


@dataclass(frozen=True)
class OptimizerConfig:
    """`name`: sgd or adamw. `momentum`: SGD's, and AdamW's first beta.

    `weight_decay` pulls on every parameter with SGD, as the official training does; with AdamW on matrices and kernels
    only, not on biases and batch norms. `decay_kernels_only`: with SGD so too. `fast`: prefixes of the parameters that
    learn `FAST` times as fast with SGD, as a network's heads do beside a body that is trained already.
    """

    name: str = "sgd"
    lr: float = 0.01
    momentum: float = 0.9
    weight_decay: float = 0.0001
    nesterov: bool = False
    decay_kernels_only: bool = False
    fast: tuple[str, ...] = ()


def make_optimizer(model: nn.Module, config: OptimizerConfig) -> Optimizer:
    """Returns the optimiser of the parameters that need gradients."""
    if config.name == "adamw":
        betas = (config.momentum, 0.999)
        return torch.optim.AdamW(_groups(model, config), lr=config.lr, betas=betas)
    has_groups = config.decay_kernels_only or config.fast
    return torch.optim.SGD(
        _groups(model, config) if has_groups else _learning(model),
        lr=config.lr,
        momentum=config.momentum,
        weight_decay=config.weight_decay,
        nesterov=config.nesterov,
    )


def _learning(model: nn.Module) -> list[nn.Parameter]:
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def _groups(model: nn.Module, config: OptimizerConfig) -> list[dict[str, Any]]:
    """Kernels and what doesn't decay; then those of the fast ones, where there are any."""
    named = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    if not config.fast or config.name == "adamw":
        return _by_decay([parameter for _, parameter in named], config)
    fast = [parameter for name, parameter in named if name.startswith(config.fast)]
    others = [parameter for name, parameter in named if not name.startswith(config.fast)]
    quick = [{**group, "lr": FAST * config.lr, _FACTOR: FAST} for group in _by_decay(fast, config)]
    return [*({**group, _FACTOR: 1.0} for group in _by_decay(others, config)), *quick]


def _by_decay(parameters: list[nn.Parameter], config: OptimizerConfig) -> list[dict[str, Any]]:
    if config.name == "sgd" and not config.decay_kernels_only:
        return [{"params": parameters}]
    kernels = [parameter for parameter in parameters if parameter.ndim > 1]
    others = [parameter for parameter in parameters if parameter.ndim <= 1]
    return [{"params": kernels, "weight_decay": config.weight_decay}, {"params": others, "weight_decay": 0.0}]


def poly_lr(iteration: int, total: int, base: float, power: float = 0.9, warmup: int = 0, least: float = 0.0) -> float:
    """Returns the 0-based `iteration`'s learning rate: least + (base - least) * (1 - iteration / total) ** power.

    The first `warmup` iterations take a share of that which grows linearly to 1.

    >>> [poly_lr(i, total=4, base=1.0, power=1.0, warmup=2) for i in range(4)]
    [0.5, 0.75, 0.5, 0.25]
    """
    share = min(1.0, (iteration + 1) / warmup) if warmup else 1.0
    fall: float = (1 - iteration / total) ** power
    return share * (least + (base - least) * fall)


def set_lr(optimizer: Optimizer, lr: float) -> None:
    """Set the learning rate of every parameter group, times its factor where it has one."""
    for group in optimizer.param_groups:
        group["lr"] = lr * group.get(_FACTOR, 1.0)


@dataclass(frozen=True)
class Plan:
    """How long a run is and how fast it learns.

    `stage`: the run's folder. `eval_every`: epochs between evaluations, 0 = never.
    """

    stage: str
    epochs: int
    eval_every: int
    ema: float
    lr: float
    power: float
    warmup: int = 0  # iterations
    min_lr: float = 0.0

    def lr_at(self, iteration: int, total: int) -> float:
        """Learning rate of the 0-based `iteration` of `total`."""
        return poly_lr(iteration, total, self.lr, self.power, self.warmup, self.min_lr)

    def evaluates(self, epoch: int) -> bool:
        """Whether an evaluation follows the 0-based `epoch`."""
        return self.eval_every > 0 and (epoch + 1 == self.epochs or (epoch + 1) % self.eval_every == 0)
