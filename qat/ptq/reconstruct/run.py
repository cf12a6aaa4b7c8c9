"""The whole network learns to give float's logits: rounding, biases and activation scales in one pass.

Layer-wise and block-wise reconstruction (AdaRound; BRECQ, Li et al. 2021, arXiv:2102.05426) minimise errors that the
network may not care about. Here the loss is the one that decides the classes, the divergence of the logits, on the
unlabelled calibration pictures; weights move by straight-through gradients, activation scales by LSQ's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from statistics import mean

import torch
from torch import Tensor, fx

from qat.errors import UserError
from qat.ptq import resume
from qat.ptq.context import Context, Inputs, Outcome, Progress, repeatable, silent
from qat.ptq.reconstruct.learner import Learner, Reconstructed, ReconstructOptions


def tune(prepared: fx.GraphModule, context: Context) -> Outcome:
    """The method's row: on parts of the calibration's pictures, in a graph of their size."""
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
    """From step `start` on, each step's batch (N, 3, *size), without end: a random part, mirrored half of the time.

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
