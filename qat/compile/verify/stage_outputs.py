"""What the stages predict of the pictures, which every artefact is compared with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, fx, nn

from qat.backends.quantiser import ActivationQuantiser
from qat.backends.scales import quantisers
from qat.compile.io_wrapper import head
from qat.compile.network import Network
from qat.compile.onnx.io_spec import IOSpec
from qat.compile.verify.samples import ParitySample, agreement, predictions, score
from qat.evaluation.outputs import Outputs
from qat.evaluation.tasks import SEGMENTATION, Prediction, Task

# Of a scale step, either way, before each rounding: it turns 0.1 % of the roundings, as the file's other arithmetic
# does in most layers. A file of PIDNet-S agrees with calib as well as calib so moved does: 99.66 % of pixels against
# 99.64 on CamVid, 99.52 against 99.56 on streets, 96.99 against 96.74 on streets of 128x64.
JITTER = 0.002


@dataclass(frozen=True)
class StageOutputs:
    """What the stages predict of the samples.

    `repeatability`: how well calib agrees with itself when a few roundings fall to the other side (JITTER): one value
    that is rounded the other way moves many behind it, so that no two implementations agree on every prediction.
    """

    floating: list[Prediction]
    calib: list[Prediction]
    int_infer: list[Prediction]
    repeatability: float
    samples: Sequence[ParitySample]
    align_corners: bool
    num_classes: int
    task: Task = SEGMENTATION

    @cached_property
    def changed(self) -> float:
        """The share of predictions that int_infer changes."""
        return 1 - self.agreement(self.int_infer, self.floating)

    @cached_property
    def int_infer_score(self) -> float | None:
        """int_infer's score."""
        return self.score(self.int_infer)

    def agreement(self, first: list[Prediction], second: list[Prediction]) -> float:
        """The share (0 to 1) of predictions that are the same in both."""
        return agreement(first, second, self.task)

    def score(self, chosen: list[Prediction]) -> float | None:
        """The task's score of `chosen`; None where no picture has a label."""
        return score(chosen, self.samples, self.num_classes, self.task)


def stage_outputs(
    network: Network,
    int8: nn.Module,
    samples: Sequence[ParitySample],
    io: IOSpec,
    num_classes: int,
    task: Task = SEGMENTATION,
) -> StageOutputs:
    """Run the stages on the pictures; their logits go through the artefacts' head, then to label size.

    `int8`: stage int_infer.
    """
    inputs = [sample.normalised for sample in samples]

    def run(model: Callable[[Tensor], Outputs]) -> list[Prediction]:
        def ended(x: Tensor) -> Outputs:
            return head(model(x), (x.shape[2], x.shape[3]), io)

        return predictions(ended, inputs, samples, io.align_corners, task)

    calib = run(network.calib)
    with jittered(network.calib):
        again = run(network.calib)
    stages = run(network.floating), calib, run(int8)
    return StageOutputs(*stages, agreement(calib, again, task), samples, io.align_corners, num_classes, task)


@contextmanager
def jittered(calib: fx.GraphModule) -> Iterator[None]:
    """For the block, move the values that each quantiser of stage calib rounds by noise that is always the same."""
    noise = torch.Generator().manual_seed(0)

    def move(quantiser: ActivationQuantiser, inputs: tuple[Tensor]) -> tuple[Tensor]:
        sides = torch.rand(inputs[0].shape, generator=noise) * 2 - 1
        return (inputs[0] + JITTER * quantiser.scale * sides,)

    every = {quantiser for _, quantiser in quantisers(calib)}
    hooks = [quantiser.register_forward_pre_hook(move) for quantiser in every]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
