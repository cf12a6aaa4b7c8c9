"""Training of the float network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from qat.data import SegmentationDataset
from qat.evaluation import Result
from qat.models import NetworkSpec
from qat.training.data import to_device
from qat.training.distributed import DistContext
from qat.training.loop import Loop, LoopConfig
from qat.training.losses import RECIPES, LossConfig
from qat.training.optim import OptimizerConfig, Plan, make_optimizer
from qat.training.reporting import Reporter
from qat.training.state import export

BEST = "best.safetensors"
FINAL = "final.safetensors"


@dataclass(frozen=True)
class TrainConfig:
    """The settings of a training. `network`: its row. `bf16`: forward passes run under autocast."""

    network: NetworkSpec
    loop: LoopConfig
    plan: Plan
    optimizer: OptimizerConfig
    loss: LossConfig
    bf16: bool = False


class Trainer(Loop):
    """One run. `model` is a train form: (N, 3, H, W) -> its row's `outputs`.

    The folder gets the best weights by their score and the final ones too.
    """

    advice = "lower TRAIN.LR or raise TRAIN.WARMUP"
    batch_norm_learns = True

    def __init__(
        self,
        config: TrainConfig,
        context: DistContext,
        model: nn.Module,
        train: SegmentationDataset,
        val: SegmentationDataset,
    ) -> None:
        self.spec = config.network
        self.loss, self.bf16 = config.loss, config.bf16
        model = model.to(device=context.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        optimizer = make_optimizer(model, config.optimizer)
        super().__init__(config.loop, context, config.plan, model, optimizer, train, val)

    def refuses(self, checkpoint: Path) -> str:
        """Going on is the user's choice."""
        return "" if self.config.resume else "TRAIN.RESUME True would go on from it"

    def losses(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """The network's recipe."""
        image, label, edge = to_device(batch, self.context.device)
        with torch.autocast(self.context.device.type, torch.bfloat16, enabled=self.bf16):
            outputs = _outputs(self.network(image))
        return RECIPES[self.spec.loss](outputs, label, edge, self.loss)

    def averaged(self) -> Callable[[Tensor], Tensor]:
        """The train form's main head; of a detector all of its maps."""
        if not self.spec.auxiliary and len(self.spec.outputs) > 1:
            return self.state.average.model
        return lambda x: _outputs(self.state.average.model(x))[self.spec.main_index]

    def after_epoch(self, result: Result | None, reporter: Reporter) -> None:
        """Export the weights if they are the best so far."""
        if result and result.main is not None and result.main > self.progress.best:
            self.progress.best = result.main
            export(self.state.average.model, self.folder / BEST)

    def finish(self) -> None:
        """Export the last weights."""
        export(self.state.average.model, self.folder / FINAL)


def _outputs(result: Tensor | Sequence[Tensor]) -> Sequence[Tensor]:
    """Returns a network's outputs as a sequence; a network with one output may return the bare tensor."""
    return [result] if isinstance(result, Tensor) else result
