"""YOLOv5 in five sizes, and in four with the stem of release 5.0."""

from __future__ import annotations

from functools import partial

from torch import nn

from qat.models.spec import NetworkSpec
from qat.models.yolov5.network import ANCHORS, Size, YOLOv5

SIZES = {
    "n": Size(0.33, 0.25),
    "s": Size(0.33, 0.50),
    "m": Size(0.67, 0.75),
    "l": Size(1.0, 1.0),
    "x": Size(1.33, 1.25),
}
OF_RELEASE_5 = "smlx"


def _build(size: Size, release: int, classes: int, _: bool) -> nn.Module:
    return YOLOv5(size, classes, release)


def _spec(letter: str, release: int) -> NetworkSpec:
    return NetworkSpec(
        name=f"yolov5{letter}" if release == 6 else f"yolov5{letter}_v5",
        build=partial(_build, SIZES[letter], release),
        task="detection",
        stride=8,
        multiple=32,
        fit="letterbox",
        smallest_side=32,
        mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0),
        outputs=("out0", "out1", "out2"),
        main="out0",
        loss="yolov5",
        anchors=ANCHORS,
    )


NETWORKS = (*(_spec(letter, 6) for letter in SIZES), *(_spec(letter, 5) for letter in OF_RELEASE_5))
