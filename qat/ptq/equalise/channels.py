"""Channels that must share one factor: sets that grow by joining, some of them fixed to factor 1 for a reason."""

from __future__ import annotations

import torch
from torch import Tensor


class Channels:
    """Numbered channels in disjoint sets (union-find). Ids are int64 tensors (channels,)."""

    def __init__(self) -> None:
        self._parent: list[int] = []
        self._reasons: dict[int, str] = {}

    def __len__(self) -> int:
        """How many channels there are."""
        return len(self._parent)

    def new(self, count: int) -> Tensor:
        """Ids of `count` new channels, each in a set of its own."""
        first = len(self._parent)
        self._parent += range(first, first + count)
        return torch.arange(first, first + count)

    def roots(self, ids: Tensor) -> Tensor:
        """The id that stands for each channel's set."""
        return torch.tensor([self._root(int(i)) for i in ids], dtype=torch.int64)

    def join(self, ids: Tensor, others: Tensor) -> Tensor:
        """Let `ids` and `others` (one of them may be a single channel) share factors, channel by channel."""
        ids, others = torch.broadcast_tensors(ids, others)
        for one, other in zip(ids.tolist(), others.tolist(), strict=True):
            self._join(one, other)
        return ids

    def fix(self, ids: Tensor, reason: str) -> Tensor:
        """Give the channels' sets factor 1; the first reason stays."""
        for root in set(self.roots(ids).tolist()):
            self._reasons.setdefault(root, reason)
        return ids

    def reason(self, channel: int) -> str | None:
        """Why the channel's factor must be 1, or None."""
        return self._reasons.get(self._root(channel))

    def _root(self, channel: int) -> int:
        while self._parent[channel] != channel:
            self._parent[channel] = self._parent[self._parent[channel]]
            channel = self._parent[channel]
        return channel

    def _join(self, one: int, other: int) -> None:
        kept, gone = sorted((self._root(one), self._root(other)))
        if kept != gone:
            self._parent[gone] = kept
            if gone in self._reasons:
                self._reasons.setdefault(kept, self._reasons.pop(gone))
