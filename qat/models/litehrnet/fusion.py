"""Modules whose resolutions exchange what they found, the steps to one more resolution, and the head over all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from qat.models.blocks import conv, norm
from qat.models.litehrnet.layers import Separable, separable
from qat.models.litehrnet.units import ConditionalChannelWeighting, ShuffleUnit


def to_coarser(cin: int, cout: int, steps: int) -> nn.Sequential:
    """Halves the size `steps` times; the last step changes the number of channels and has no ReLU."""
    before = [separable(cin, cin, 2) for _ in range(steps - 1)]
    return nn.Sequential(*before, separable(cin, cout, 2, has_relu=False))


def to_finer(cin: int, cout: int, steps: int) -> nn.Sequential:
    """Doubles the size `steps` times."""
    return nn.Sequential(conv(cin, cout), norm(cout), nn.Upsample(scale_factor=2**steps))


def between(channels: Sequence[int], target: int, source: int) -> nn.Module | None:
    """What brings the map of one resolution to another's size; nothing where they are the same."""
    cin, cout = channels[source], channels[target]
    if source > target:
        return to_finer(cin, cout, source - target)
    return to_coarser(cin, cout, target - source) if source < target else None


def _optional(layers: Sequence[nn.Module | None]) -> nn.ModuleList:
    """The layers by their numbers; a number without a layer stays free, as in the published keys."""
    given: Any = layers
    return nn.ModuleList(given)


class LiteHRModule(nn.Module):
    """Units at every resolution, then each resolution takes all others': maps (N, c_i, h_i, w_i), finest first.

    `ratio`: of conditional channel weighting; None for shuffle units.
    """

    def __init__(self, channels: Sequence[int], blocks: int, ratio: int | None) -> None:
        super().__init__()
        self.is_naive = ratio is None
        self.layers: nn.Sequential | nn.ModuleList
        if ratio is None:
            rows = (nn.Sequential(*(ShuffleUnit(width) for _ in range(blocks))) for width in channels)
            self.layers = nn.ModuleList(rows)
        else:
            self.layers = nn.Sequential(*(ConditionalChannelWeighting(channels, ratio) for _ in range(blocks)))
        numbers = range(len(channels))
        rows_of_layers = (_optional([between(channels, i, j) for j in numbers]) for i in numbers)
        self.fuse_layers = nn.ModuleList(rows_of_layers)
        self.relu = nn.ReLU()

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """Maps of the same shapes."""
        if self.is_naive:
            return self._fuse([row(x) for row, x in zip(self.layers, maps, strict=True)])
        return self._fuse(self.layers(maps))

    def _fuse(self, maps: list[Tensor]) -> list[Tensor]:
        """The sums that the published code gets by adding in place.

        The finest map counts itself twice and is then what the others take, before its ReLU; they take it twice.
        """
        first, *others = maps
        finest = first + first
        for layer, x in zip(self._layers(0)[1:], others, strict=True):
            finest = finest + layer(x)
        sums = [finest, *(self._sum(row, finest, others) for row in range(1, len(maps)))]
        return [self.relu(x) for x in sums]

    def _layers(self, row: int) -> list[Any]:
        layers: Any = self.fuse_layers[row]
        return list(layers)

    def _sum(self, row: int, finest: Tensor, others: list[Tensor]) -> Tensor:
        """One coarser map's sum, in the published order."""
        first, *layers = self._layers(row)
        own = first(finest)
        total: Tensor = own + own
        for number, (layer, x) in enumerate(zip(layers, others, strict=True), start=1):
            total = total + (x if number == row else layer(x))
        return total


class Transition(nn.ModuleList):
    """From the maps before to a stage's: a convolution where the channels differ, and one coarser map more."""

    def __init__(self, before: Sequence[int], channels: Sequence[int]) -> None:
        same = [separable(cin, cout) if cin != cout else None for cin, cout in zip(before, channels, strict=False)]
        super().__init__(_optional([*same, nn.Sequential(separable(before[-1], channels[-1], 2))]))

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """Maps (N, c_i, h_i, w_i), one more than before."""
        *same, coarser = self
        kept = [x if layer is None else layer(x) for layer, x in zip(same, maps, strict=True)]
        return [*kept, coarser(maps[-1])]


class IterativeHead(nn.Module):
    """From the coarsest map to the finest, each with what was found before: the finest, (N, c_0, h_0, w_0)."""

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        upwards = list(channels)[::-1]
        self.projects = nn.ModuleList(
            Separable(*pair) for pair in zip(upwards, [*upwards[1:], upwards[-1]], strict=True)
        )

    def forward(self, maps: list[Tensor]) -> Tensor:
        """The finest map."""
        coarsest, *finer = maps[::-1]
        first, *projects = self.projects
        result: Tensor = first(coarsest)
        for project, x in zip(projects, finer, strict=True):
            result = project(x + F.interpolate(result, size=x.shape[-2:], mode="bilinear", align_corners=True))
        return result
