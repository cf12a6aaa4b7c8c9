"""Symmetric ranges of one batch, by the documented names."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

LOW, HIGH = -128, 127
MIDDLE = 127.5  # the vendor's printed scales are max|x| / 127.5
TINY = torch.finfo(torch.float32).eps


def min_max(rows: Tensor) -> Tensor:
    """Scales (rows,): max|x| / 127.5."""
    return (rows.abs().amax(1) / MIDDLE).clamp_min(TINY)


def percentile(rows: Tensor, percentile: float = 99.99, num_bins: int = 2048) -> Tensor:
    """That share of the magnitudes, from a histogram."""
    return torch.stack([_percentile(row.abs(), percentile, num_bins) for row in rows])


def _percentile(magnitude: Tensor, share: float, bins: int) -> Tensor:
    top = magnitude.max().clamp_min(TINY)
    total = torch.histc(magnitude, bins, 0, float(top)).cumsum(0)
    index = int(torch.searchsorted(total, total[-1] * (share / 100)))
    return top * min(index + 1, bins) / bins / HIGH


def mse(rows: Tensor) -> Tensor:
    """The least squared error over shrinking ranges."""
    largest = min_max(rows)
    candidates = torch.stack([largest * share for share in torch.linspace(0.3, 1, 36)])
    errors = torch.stack([_error(rows, scales[:, None]) for scales in candidates])
    return candidates.gather(0, errors.argmin(0, keepdim=True))[0]


def _error(rows: Tensor, scales: Tensor) -> Tensor:
    return ((rows / scales).round().clamp(LOW, HIGH) * scales - rows).square().sum(1)


OBSERVERS: dict[str, Callable[..., Tensor]] = {
    "min_max": min_max,
    "percentile": percentile,
    "mse": mse,
    "kl": mse,  # near enough here
    "mix": mse,
}
