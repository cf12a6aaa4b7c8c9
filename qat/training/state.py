"""A run's checkpoint, with the running average of the weights: everything that the rest of the run depends on."""

from __future__ import annotations

import difflib
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from qat.backends.weight_scales import as_now
from qat.errors import UserError, quoted
from qat.files import atomic_path
from qat.state_file import read_state, write_state

CHECKPOINT = "checkpoint.pth.tar"
FORMAT = 1


@dataclass
class Progress:
    """How far a run is. `history` has a record of each finished epoch."""

    epoch: int = 0  # finished epochs
    iteration: int = 0  # finished optimiser steps
    best: float = -1.0  # the highest score so far
    history: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class State:
    """The content of a checkpoint. It holds no random state: each epoch's comes from (TRAIN.SEED, epoch, rank)."""

    model: nn.Module
    average: WeightAverage
    optimizer: Optimizer
    progress: Progress

    def save(self, path: Path, config: str) -> None:
        """Write the checkpoint, whole or not at all; `config` is the resolved YAML."""
        content = {
            "format": FORMAT,
            "state_dict": self.model.state_dict(),
            "ema": self.average.model.state_dict(),
            "ema_updates": self.average.updates,
            "optimizer": self.optimizer.state_dict(),
            "config": config,
            **vars(self.progress),
        }
        write_state(path, content)

    def load(self, path: Path) -> str:
        """Continue from a checkpoint; returns the config that it was saved with.

        Raises UserError if it is damaged or of another network.
        """
        content = _read(path)
        try:
            for model, name in ((self.model, "state_dict"), (self.average.model, "ema")):
                model.load_state_dict(as_now(content[name], model.state_dict()))
            self.optimizer.load_state_dict(content["optimizer"])
        except (RuntimeError, ValueError, KeyError) as error:
            reason = quoted(str(error).strip().split("\n")[0])
            raise UserError(
                f"{path} is of another run ({reason}); use its config, or another NAME to start anew"
            ) from error
        self.average.updates = content["ema_updates"]
        for name in vars(self.progress):
            setattr(self.progress, name, content[name])
        return str(content["config"])


def saved_config(path: Path) -> str:
    """The config that a checkpoint was saved with; UserError if it is damaged."""
    return str(_read(path)["config"])


def changed_lines(before: str, after: str) -> list[str]:
    """The lines in which two configs differ, each behind - or +.

    >>> changed_lines("LR: 1\\nWD: 0\\n", "LR: 2\\nWD: 0\\n")
    ['- LR: 1', '+ LR: 2']
    """
    return [line for line in difflib.ndiff(before.splitlines(), after.splitlines()) if line[0] in "-+"]


def _read(path: Path) -> dict[str, Any]:
    again = "delete it to start anew, or set TRAIN.RESUME False"
    try:
        content = read_state(path, again)
    except UserError as error:
        raise UserError(f"can't read checkpoint {path}; {again}") from error
    if content.get("format") != FORMAT:
        raise UserError(f"{path} is no checkpoint of a training; set MODEL.PRETRAINED to start from its weights")
    return content


def export(model: nn.Module, path: Path) -> None:
    """Write a network's weights as safetensors under their official keys."""
    state: dict[str, Tensor] = {key: value.cpu().contiguous() for key, value in model.state_dict().items()}
    with atomic_path(path) as aside:
        save_file(state, aside, metadata={"format": "pt"})


def decay_at(update: int, decay: float) -> float:
    """Returns the decay of the 0-based `update`: min(decay, (1 + update) / (10 + update)); early weights fade soon."""
    return min(decay, (1 + update) / (10 + update))


class WeightAverage:
    """The running average of a network's weights, which is evaluated and exported.

    `model` is average <- decay * average + (1 - decay) * weights; with decay 0 a plain copy of the newest weights.

    Floating buffers (batch norm's statistics) are averaged with the parameters, so that they fit the averaged weights;
    integer buffers are copied.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = deepcopy(model).eval().requires_grad_(False)
        self.decay = decay
        self.updates = 0

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Take in the weights after an optimiser step."""
        share = 1 - decay_at(self.updates, self.decay)
        self.updates += 1
        for average, value in zip(self.model.state_dict().values(), model.state_dict().values(), strict=True):
            if average.is_floating_point():
                average.lerp_(value, share)
            else:
                average.copy_(value)
