"""The observer: streams one tensor's statistics during calibration, then gives its scale and zero point."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from qat.errors import UserError
from qat.ptq.histogram import BINS, count, exponent_of, grow
from qat.ptq.ranges import RANGES, Grid, Statistics

_UNSEEN = -1000


class ActivationObserver(nn.Module):
    """Extremes and histogram of everything that passes, in constant memory; state lives in buffers.

    `method`: min_max, percentile or mse. `averaging`: None gives every batch the same weight; a number c is the
    vendor's averaging constant, statistics = (1 - c) * statistics + c * batch.
    """

    counts: Tensor
    exponent: Tensor
    extremes: Tensor
    batches: Tensor

    def __init__(self, method: str, grid: Grid, percentile: float = 99.99, averaging: float | None = None) -> None:
        super().__init__()
        self.method, self.grid, self.averaging = method, grid, averaging
        choose = RANGES[method]
        self._choose = partial(choose, share=percentile) if method == "percentile" else choose
        self.name = ""  # of the node observed, for messages
        self.register_buffer("counts", torch.zeros(BINS, dtype=torch.float64))
        self.register_buffer("exponent", torch.tensor(_UNSEEN))
        self.register_buffer("extremes", torch.zeros(2, dtype=torch.float64))
        self.register_buffer("batches", torch.tensor(0))

    def observe(self, x: Tensor) -> None:
        """Take in one batch (any shape); UserError if it holds NaN or infinity."""
        low, high = (value.item() for value in torch.aminmax(x.permute(0, 2, 3, 1) if x.dim() == 4 else x))
        if not (abs(low) < float("inf") and abs(high) < float("inf")):
            raise UserError(
                f"activation {self.name} holds NaN or infinity in calibration; check the float checkpoint and images"
            )
        self._blend(self.extremes, torch.tensor([low, high], dtype=torch.float64))
        if self.method != "min_max":
            self._add_counts(x, exponent_of(max(-low, high)))
        self.batches += 1

    def _blend(self, state: Tensor, new: Tensor) -> None:
        if self.batches == 0:
            state.copy_(new)
        elif self.averaging is not None:
            state.lerp_(new, self.averaging)
        else:
            state.copy_(torch.stack([torch.minimum(state[0], new[0]), torch.maximum(state[1], new[1])]))

    def _add_counts(self, x: Tensor, exponent: int) -> None:
        span = max(exponent, int(self.exponent))
        new = count(x, span).to(self.counts.device)
        if self.batches > 0:
            old = grow(self.counts, int(self.exponent), span)
            new = old + new if self.averaging is None else torch.lerp(old, new, self.averaging)
        self.counts.copy_(new)
        self.exponent.fill_(span)

    @property
    def dead(self) -> str | None:
        """Why this observer says nothing (never seen, zero range), or None."""
        if self.batches == 0:
            return "never seen"
        return "zero range" if not self.extremes.any() else None

    def range(self) -> tuple[float, float]:
        """The real range [low, high] that the method chooses; (0, 0) before anything was seen."""
        low, high = self.extremes.tolist()
        if self.dead:
            return 0.0, 0.0
        return self._choose(Statistics(low, high, self.counts.cpu(), int(self.exponent)), self.grid)
