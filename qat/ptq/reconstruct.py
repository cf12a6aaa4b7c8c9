"""The whole network learns to give float's logits: rounding, biases and activation scales in one pass.

Layer-wise and block-wise reconstruction (AdaRound; BRECQ, Li et al. 2021, arXiv:2102.05426) minimise errors that the
network may not care about. Here the loss is the one that decides the classes, the divergence of the logits, on the
unlabelled calibration pictures; weights move by straight-through gradients, activation scales by LSQ's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean

import torch
from torch import Tensor, fx
from torch.optim import Adam
from torch.optim.lr_scheduler import LambdaLR

from qat.backends.scaled_parameters import learn_in_units
from qat.backends.trainable import trainable, write_back
from qat.backends.weight_scales import round_weight, weighted
from qat.errors import UserError
from qat.evaluation.distance import divergence
from qat.finite import culprit
from qat.ptq import resume
from qat.ptq.context import Context, Inputs, Outcome, Progress, repeatable, silent

_PARTS = ("model", "optimizer", "schedule")  # of a saved state


@dataclass(frozen=True)
class ReconstructOptions:
    """How the network learns.

    `lr`: the share of its usual size that a step moves a parameter by (`qat.backends.scaled_parameters`); it falls as a
    cosine. `pace`: how many times as far it moves an activation's scale. `warm_up`: steps. `save_every`: steps between
    saved states. `size`: height and width of the part of a picture that a step sees, which the graph is built for.
    """

    size: tuple[int, int]
    steps: int = 200
    lr: float = 2e-5
    pace: float = 25.0
    warm_up: int = 20
    save_every: int = 50
    seed: int = 0


@dataclass(frozen=True)
class Reconstructed:
    """`before`, `after`: mean divergence from float's logits (nats a pixel) over the first and last tenth of steps."""

    steps: int
    before: float
    after: float

    def __str__(self) -> str:
        """The line that tools print."""
        return f"reconstruction: {self.before:.6f} -> {self.after:.6f} nats a pixel from float in {self.steps} steps"


class Learner:
    """A trainable copy of a settled graph, with its optimiser. `losses`: of every step so far."""

    def __init__(self, prepared: fx.GraphModule, options: ReconstructOptions) -> None:
        self.options, self.key = options, resume.fingerprint(prepared, options)
        self.model = trainable(prepared, learn_scales=True)
        self.optimizer = Adam(learn_in_units(self.model, options.pace), options.lr)
        self.schedule = LambdaLR(self.optimizer, self._share)
        self.losses: list[float] = []

    def _share(self, step: int) -> float:
        """The share of the learning rates in a step: linear warm-up, then a cosine down to zero."""
        return min(1.0, (step + 1) / self.options.warm_up) * (1 + math.cos(math.pi * step / self.options.steps)) / 2

    def step(self, x: Tensor, expected: Tensor, state: Path | None) -> None:
        """Learn from one batch; UserError for a loss that isn't finite, which names the tensor and `state`."""
        loss = divergence(self.model(x), expected)
        if not loss.isfinite():
            raise UserError(
                f"reconstruction stopped in step {len(self.losses) + 1}: NaN or infinity {culprit(self.model, x)}; "
                f"{f'the state before it is in {state}; ' if state else ''}check the float checkpoint, or set "
                "QUANT.RECONSTRUCT False"
            )
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.schedule.step()
        self.losses.append(float(loss.detach()))

    def save(self, state: Path | None) -> None:
        """Write everything that the next steps depend on."""
        parts = {name: getattr(self, name).state_dict() for name in _PARTS}
        resume.save(state, self.key, parts | {"losses": self.losses})

    def resume(self, state: Path | None) -> None:
        """Go on where `save` left the same run; start anew where there is nothing to go on from."""
        saved = resume.load(state, self.key)
        if saved:
            for name in _PARTS:
                getattr(self, name).load_state_dict(saved[name])
            self.losses = saved["losses"]

    def write_back(self, prepared: fx.GraphModule) -> None:
        """Write what was learnt into the graph, with weights on their levels."""
        write_back(self.model, prepared)
        for module in weighted(prepared):
            round_weight(module)


def tune(prepared: fx.GraphModule, context: Context) -> Outcome:
    """What the method's row runs: reconstruction on parts of the calibration's pictures, in a graph of their size."""
    small, size = context.cropped()
    small.load_state_dict(prepared.state_dict())
    options, state = ReconstructOptions(size, context.quant["RECONSTRUCT_STEPS"]), context.folder / "reconstruct.ckpt"
    result = reconstruct(small, context.floating(), context.batches, options, context.titled("reconstruct"), state)
    prepared.load_state_dict(small.state_dict())
    return Outcome(asdict(result), str(result))


def reconstruct(
    prepared: fx.GraphModule,
    floating: Callable[[Tensor], Tensor],
    inputs: Inputs,
    options: ReconstructOptions,
    progress: Progress = silent,
    state: Path | None = None,
) -> Reconstructed:
    """Tune a settled graph in place so that it gives what `floating` gives; its weights end on their levels.

    `prepared` is built for pictures of `options.size`, of which each of `inputs` (N, 3, H, W) gives a random part.
    `progress` takes (steps done, of how many, the loss). `state`: where a run that was killed goes on; it then ends
    exactly as one that wasn't. Raises UserError for pictures smaller than the graph's, and where the loss is NaN or
    infinite: then `prepared` is as it was, and `state` holds the last good step.
    """
    batches = repeatable(inputs)
    learner = Learner(prepared, options)
    learner.resume(state)
    for x in crops(batches, options.size, options.seed, len(learner.losses)):
        if len(learner.losses) == options.steps:
            break
        with torch.no_grad():
            expected = floating(x)
        learner.step(x, expected, state)
        done = len(learner.losses)
        if done % options.save_every == 0:
            learner.save(state)
        progress(done, options.steps, f"loss {learner.losses[-1]:.6f}")
    learner.write_back(prepared)
    resume.finish(state)
    tenth = max(1, options.steps // 10)
    return Reconstructed(options.steps, mean(learner.losses[:tenth]), mean(learner.losses[-tenth:]))


def crops(
    batches: Callable[[], Iterable[Tensor]], size: tuple[int, int], seed: int, start: int = 0
) -> Iterator[Tensor]:
    """The batch (N, 3, *size) of each step from `start` on, without end: a random part, mirrored half of the time.

    `batches` gives pictures (N, 3, H, W), in the same order each time. UserError where one is smaller than `size` =
    (height, width).
    """
    step = 0
    while True:
        for batch in batches():
            if step >= start:
                yield _crop(batch, size, torch.Generator().manual_seed((seed << 32) + step))
            step += 1


def _crop(batch: Tensor, size: tuple[int, int], generator: torch.Generator) -> Tensor:
    if batch.shape[-2] < size[0] or batch.shape[-1] < size[1]:
        raise UserError(
            f"a calibration picture is {batch.shape[-1]}x{batch.shape[-2]}, smaller than reconstruction's "
            f"{size[1]}x{size[0]}; set TEST.IMAGE_SIZE, which the pictures have, or QUANT.RECONSTRUCT False"
        )
    top, left = (
        int(torch.randint(have - want + 1, (1,), generator=generator))
        for have, want in zip(batch.shape[-2:], size, strict=True)
    )
    part = batch[..., top : top + size[0], left : left + size[1]]
    return part.flip(-1) if torch.rand(1, generator=generator) < 0.5 else part
