"""The observer: streams one tensor's statistics during calibration, then gives its scale and zero point."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from qat.errors import UserError
from qat.invocation import command
from qat.observers.grid import Grid, Statistics
from qat.observers.histogram import BINS, count, exponent_of, grow
from qat.observers.ranges import Candidate, candidates

_UNSEEN = -1000


@dataclass(frozen=True)
class Batch:
    """A batch's extremes, and its counts (BINS,) over the span 2**exponent; None where they aren't needed."""

    low: float
    high: float
    exponent: int
    counts: Tensor | None

    def small(self) -> Batch:
        """The same in half the bytes, on the CPU: a batch has fewer values than an int32 counts."""
        return self if self.counts is None else replace(self, counts=self.counts.cpu().int())


class ActivationObserver(nn.Module):
    """Extremes and histogram of everything that passes, in constant memory; state lives in buffers.

    `method`: a name in RANGES; or auto, which keeps one row of statistics for each averaging constant of `candidates`
    and leaves the choice to `choose`. `averaging`: None gives every batch the same weight; a number c is the vendor's
    averaging constant, statistics = (1 - c) * statistics + c * batch.
    """

    histograms: Tensor  # (averaging constants, BINS) float64
    ends: Tensor  # (averaging constants, 2) float64
    exponent: Tensor
    batches: Tensor
    chosen: Tensor  # index of the candidate, -1: none yet

    def __init__(self, method: str, grid: Grid, percentile: float = 99.99, averaging: float | None = None) -> None:
        super().__init__()
        self.method, self.grid = method, grid
        self.candidates = candidates(method, percentile, averaging)
        self.averagings = tuple(dict.fromkeys(candidate.averaging for candidate in self.candidates))
        self.name = ""  # of the node observed, for messages
        self.waiting: list[Batch] | None = None  # where batches are kept, for an observer elsewhere to take in order
        self.register_buffer("histograms", torch.zeros(len(self.averagings), BINS, dtype=torch.float64))
        self.register_buffer("exponent", torch.tensor(_UNSEEN))
        self.register_buffer("ends", torch.zeros(len(self.averagings), 2, dtype=torch.float64))
        self.register_buffer("batches", torch.tensor(0))
        self.register_buffer("chosen", torch.tensor(0 if len(self.candidates) == 1 else -1))

    def observe(self, x: Tensor) -> None:
        """Take in one batch (any shape); UserError if it holds NaN or infinity."""
        batch = self._statistics(x)
        self.take(batch) if self.waiting is None else self.waiting.append(batch)

    def _statistics(self, x: Tensor) -> Batch:
        low, high = (value.item() for value in torch.aminmax(x.permute(0, 2, 3, 1) if x.dim() == 4 else x))
        if not (abs(low) < float("inf") and abs(high) < float("inf")):
            raise UserError(
                f"activation {self.name} holds NaN or infinity in calibration; check the float checkpoint and images"
            )
        exponent = exponent_of(max(-low, high))
        span = exponent if self.waiting is not None else max(exponent, int(self.exponent))
        counts = None if self.method == "min_max" else count(x, span)
        return Batch(low + 0.0, high + 0.0, span, counts)  # of -0.0 and 0.0 the first one seen would stay

    def take(self, batch: Batch) -> None:
        """Take in the statistics of a batch."""
        ends = torch.tensor([batch.low, batch.high], dtype=torch.float64, device=self.ends.device)
        self._blend(self.ends, ends, _wider)
        if batch.counts is not None:
            span = self._widen(batch.exponent)
            counts = grow(batch.counts.to(self.histograms), batch.exponent, span)
            self._blend(self.histograms, counts, torch.add)
        self.batches += 1

    def _blend(self, states: Tensor, new: Tensor, join: Callable[[Tensor, Tensor], Tensor]) -> None:
        """Take `new` into each row of `states` by the row's averaging constant, None by `join`."""
        for state, averaging in zip(states, self.averagings, strict=True):
            if self.batches == 0:
                state.copy_(new)
            elif averaging is None:
                state.copy_(join(state, new))
            else:
                state.lerp_(new, averaging)

    def _widen(self, exponent: int) -> int:
        """Let the histograms span at least 2**exponent; returns the exponent that they have now."""
        span = max(exponent, int(self.exponent))
        self.histograms.copy_(grow(self.histograms, int(self.exponent), span))
        self.exponent.fill_(span)
        return span

    @property
    def adds_up(self) -> bool:
        """Whether statistics of parts add up, in any order: no moving average is among them."""
        return self.averagings == (None,)

    def reset(self) -> None:
        """Forget everything seen."""
        for statistics in (self.histograms, self.ends, self.batches):
            statistics.zero_()
        self.exponent.fill_(_UNSEEN)

    def merge(self, other: ActivationObserver) -> None:
        """Add the statistics of `other`, exactly as if this observer had seen its batches.

        UserError where the two were set up differently, or with an averaging constant, which depends on the order.
        """
        if self.candidates != other.candidates or not self.adds_up:
            raise UserError(
                f"observers of {self.name} can't be merged: both need one QUANT.OBSERVER other than auto, "
                "and QUANT.AVERAGING_CONSTANT None"
            )
        if other.batches == 0:
            return
        span = self._widen(int(other.exponent))
        self._blend(self.ends, other.ends[0], _wider)
        self._blend(self.histograms, grow(other.histograms[0], int(other.exponent), span), torch.add)
        self.batches += other.batches

    @property
    def counts(self) -> Tensor:
        """The histogram (BINS,) of the chosen averaging constant."""
        return self.histograms[self._row()]

    @property
    def extremes(self) -> Tensor:
        """Least and greatest value (2,) of the chosen averaging constant."""
        return self.ends[self._row()]

    def _row(self) -> int:
        return self.averagings.index(self.choice.averaging) if self.chosen >= 0 else 0

    @property
    def dead(self) -> str | None:
        """Why this observer has no range (never seen, only zeros), or None."""
        if self.batches == 0:
            return "never seen"
        return "zero range" if not self.ends.any() else None

    @property
    def choice(self) -> Candidate:
        """The candidate in use; UserError where auto has none yet."""
        if self.chosen < 0:
            raise UserError(
                f"QUANT.OBSERVER auto has chosen no observer yet; run {command('calib')}, "
                "or `search_observers` of qat.ptq"
            )
        return self.candidates[int(self.chosen)]

    def choose(self, candidate: Candidate) -> None:
        """Use `candidate`, one of `candidates`, from now on."""
        self.chosen.fill_(self.candidates.index(candidate))

    def range(self) -> tuple[float, float]:
        """The real range [low, high] of the chosen candidate; (0, 0) before anything was seen."""
        return self.range_of(self.choice)

    def range_of(self, candidate: Candidate) -> tuple[float, float]:
        """The real range that a candidate would choose."""
        if self.dead:
            return 0.0, 0.0
        row = self.averagings.index(candidate.averaging)
        low, high = self.ends[row].tolist()
        return candidate.range(Statistics(low, high, self.histograms[row].cpu(), int(self.exponent)), self.grid)


def _wider(old: Tensor, new: Tensor) -> Tensor:
    return torch.stack([torch.minimum(old[0], new[0]), torch.maximum(old[1], new[1])])
