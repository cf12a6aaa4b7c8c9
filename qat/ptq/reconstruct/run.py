"""The whole network learns to give float's logits: rounding, biases and activation scales in one pass.

Layer-wise and block-wise reconstruction (AdaRound; BRECQ, Li et al. 2021, arXiv:2102.05426) minimise errors that the
network may not care about. Here the loss is the one that decides the classes, the divergence of the logits, on the
unlabelled calibration pictures; weights move by straight-through gradients, activation scales by LSQ's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import mean

import torch
from torch import Tensor, fx

from qat.ptq.reconstruct.learner import Learner
from qat.ptq.reconstruct.options import Reconstructed, ReconstructOptions
from qat.ptq.reconstruct.pictures import crops


def reconstruct(
    prepared: fx.GraphModule,
    floating: Callable[[Tensor], Tensor],
    batches: Callable[[], Iterable[Tensor]],
    options: ReconstructOptions,
    progress: Callable[[int, int, str], None],
    state: Path,
) -> Reconstructed:
    """Tune a settled graph in place so that it gives what `floating` gives; its weights end on their levels.

    `prepared` is built for pictures of `options.size`, of which each of `batches` (N, 3, H, W) gives a random part.
    `progress` takes (steps done, of how many, the loss). `state`: where a run that was killed goes on; it then ends
    exactly as one that wasn't. Raises UserError for pictures smaller than the graph's, and where the loss is NaN or
    infinite: then `prepared` is as it was, and `state` holds the last good step.
    """
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
    state.unlink(missing_ok=True)
    tenth = max(1, options.steps // 10)
    return Reconstructed(options.steps, mean(learner.losses[:tenth]), mean(learner.losses[-tenth:]))
