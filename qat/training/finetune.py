"""Fine-tuning: the calibrated network learns with its rounding in place, from labels and from the float network.

Batch normalisation is folded into the convolutions, as it is deployed; one that stands alone keeps its statistics.
Weight scales stay as calibrated, so that rounding which calibration learnt is where training starts. Always in float32:
bf16 keeps 8 bits, with which a level times its scale is no longer that level.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, fx

from qat.backends.fx import fake_quantized
from qat.backends.scaled_parameters import learn_in_units
from qat.backends.trainable import trainable_quantisers, write_back
from qat.data import SegmentationDataset
from qat.evaluation import Result
from qat.files import remove
from qat.graph.ops import INT8_LAYERS
from qat.origin import Origin
from qat.training.data import to_device
from qat.training.distillation import TeacherStudent, distillation
from qat.training.distributed import DistContext
from qat.training.loop import Loop, LoopConfig
from qat.training.losses import RECIPES, LossConfig
from qat.training.optim import Plan
from qat.training.reporting import Reporter
from qat.training.state import CHECKPOINT, saved_config
from qat.training.teacher_distance import teacher_distance

BETAS = (0.9, 0.99)  # of Adam: few steps, so a short memory
_ORIGIN = ("calib's checkpoint", "float weights")  # what a resumed run must share with its checkpoint


@dataclass(frozen=True)
class FineTuneConfig:
    """The settings of a fine-tuning. `settings`: by name, as text, what started it and what it learns from.

    `scale_lr`: of activation scales that learn. `weights`: of the loss parts labels, logits and boundary. `recipe`: of
    the labels' loss of the predict form, a key of RECIPES.
    """

    loop: LoopConfig
    plan: Plan
    settings: Origin
    loss: LossConfig
    scale_lr: float
    weights: Mapping[str, float]
    recipe: str = "cross_entropy"


def _learnt_scales(student: fx.GraphModule) -> dict[str, float]:
    """The scales that learn by their layer; one that several layers share under the first."""
    scales: dict[int, tuple[str, float]] = {}
    for node, quantiser in trainable_quantisers(student):
        if quantiser.learns:
            scales.setdefault(id(quantiser), (node.all_input_nodes[0].name, float(quantiser.scale.detach())))
    return dict(scales.values())


class FineTuner(Loop):
    """One run. `keep` writes the result: (prepared, epochs)."""

    advice = "lower QAT.LR"
    batch_norm_learns = False

    def __init__(
        self,
        config: FineTuneConfig,
        context: DistContext,
        pair: TeacherStudent,
        train: SegmentationDataset,
        val: SegmentationDataset,
        keep: Callable[[fx.GraphModule, int], None],
    ) -> None:
        self.pair, self.keep = pair.to(context.device), keep
        self.loss, self.weights, self.origin = config.loss, config.weights, config.settings
        self.recipe, self.distance = RECIPES[config.recipe], teacher_distance(config.loop.task)
        parameters = learn_in_units(pair.student, pace=config.scale_lr / config.plan.lr)
        optimizer = torch.optim.Adam(parameters, config.plan.lr, betas=BETAS)
        super().__init__(config.loop, context, config.plan, pair.student, optimizer, train, val)

    def settings(self) -> str:
        """What started the run, its plan, and what it learns from."""
        return "".join(f"{name}: {value}\n" for name, value in self.origin.values.items())

    def changes(self, saved: str) -> list[str]:
        """Whatever the order; a name that an older checkpoint lacks counts as its default."""
        return [str(difference) for difference in self.origin.differences(_recorded(saved))]

    def refuses(self, checkpoint: Path) -> str:
        """An interrupted run goes on by itself; with other settings it is the user's choice."""
        changed = self.changes(saved_config(checkpoint))
        if any(line.startswith(_ORIGIN) for line in changed):
            return "it started from another calibration"
        if changed and not self.config.resume:
            return f"its settings were others ({changed[0]}); TRAIN.RESUME True would go on from it"
        return ""

    def losses(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Weighted parts: labels, logits and, where the network has one, boundary attention."""
        image, label, edge = to_device(batch, self.context.device)
        with torch.no_grad():
            expected = self.pair.teacher(image)
        outputs, boundary = self.network(image), self.pair.boundary
        own = outputs[:-1] if boundary else outputs
        parts = {"labels": self.weights["labels"] * self.recipe(own, label, edge, self.loss)["loss"]}
        for name, distance in distillation(outputs, expected, self.distance, boundary).items():
            parts[name] = self.weights[name] * distance
        return {"loss": torch.stack(list(parts.values())).sum(), **parts}

    def averaged(self) -> Callable[[Tensor], Tensor]:
        """The averaged weights as stage qat computes with them."""
        return fake_quantized(self._result()).to(self.context.device)

    def _result(self) -> fx.GraphModule:
        write_back(cast(fx.GraphModule, self.state.average.model), self.pair.prepared)
        return self.pair.prepared

    def after_epoch(self, result: Result | None, reporter: Reporter) -> None:
        """Report scales that learn and the weights' distributions."""
        done, student = self.progress.iteration, self.pair.student
        reporter.board.scalars(done, {f"scale/{name}": scale for name, scale in _learnt_scales(student).items()})
        layers = ((name, module) for name, module in student.named_modules() if isinstance(module, INT8_LAYERS))
        reporter.board.histograms(done, {f"weight/{name}": cast(Tensor, module.weight) for name, module in layers})

    def finish(self) -> None:
        """Keep the averaged weights of the last epoch; not the best by mIoU, which would choose by the test list."""
        self.keep(self._result(), self.progress.epoch)
        remove(self.folder / CHECKPOINT)


def _recorded(saved: str) -> dict[str, str]:
    """The names and values of `settings`' text."""
    lines = (line.partition(": ") for line in saved.splitlines())
    return {name: value for name, _, value in lines}
