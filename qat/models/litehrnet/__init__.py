"""Lite-HRNet in two sizes and the naive network in two, each with a head for key points and one for segmentation."""

from __future__ import annotations

from functools import partial

from torch import nn

from qat.models.litehrnet.network import PoseNetwork, SegmentationNetwork, Size
from qat.models.spec import NetworkSpec

NARROW, USUAL = (30, 60, 120, 240), (40, 80, 160, 320)
SIZES = {
    "litehrnet18": Size(USUAL, (2, 4, 2), ratio=8),
    "litehrnet30": Size(USUAL, (3, 8, 3), ratio=8),
    "naive_litehrnet18": Size(NARROW, (2, 4, 2)),
    "wider_naive_litehrnet18": Size(USUAL, (2, 4, 2)),
}


def _build(network: type[PoseNetwork] | type[SegmentationNetwork], size: Size, channels: int, _: bool) -> nn.Module:
    return network(size, channels)


def _pose(name: str, size: Size) -> NetworkSpec:
    return NetworkSpec(
        name=name,
        build=partial(_build, PoseNetwork, size),
        task="keypoints",
        stride=4,
        multiple=32,
        smallest_side=32,
        outputs=("heatmaps",),
        main="heatmaps",
        loss="heat_maps",
    )


def _segmentation(name: str, size: Size) -> NetworkSpec:
    return NetworkSpec(
        name=f"{name}_seg",
        build=partial(_build, SegmentationNetwork, size),
        stride=4,
        multiple=32,
        smallest_side=32,
        loss="cross_entropy",
    )


NETWORKS = tuple(spec(name, size) for spec in (_pose, _segmentation) for name, size in SIZES.items())
