"""The row of facts that a network has beside its file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Branch:
    """A part of a network: a short name, what it is for, and the attributes of the network that belong to it.

    `joins`: it takes the outputs of other branches, so a picture of the network shows it below them.
    `boundary`: it finds the classes' boundaries; the sigmoid of its output says where they are.
    """

    name: str
    title: str
    attributes: tuple[str, ...]
    joins: bool = False
    boundary: bool = False


@dataclass(frozen=True)
class NetworkSpec:
    """A network that MODEL.NAME can name.

    `build`: takes the number of classes, and whether the train form with its auxiliary heads is wanted; pictures
    (N, 3, H, W) in. `aliases`: other names, such as those of the official configs.

    `stride`: the picture's sides over the logits'. `multiple`: what a picture's sides are multiples of, by default
    `stride`; `fit`: how other pictures go in, pad, resize or letterbox (TEST.FIT). `smallest_side`: of a picture whose
    deepest map has one value; sides of crops are multiples of it. `mean`, `std`: of RGB / 255, as its weights expect
    pictures.

    `outputs`: what the train form gives, in order; the predict form gives `main` alone. `auxiliary`: prefixes of the
    parameters that the train form has alone. `loss`: the recipe in `qat.training.losses` that takes the outputs.
    `head_weights`: of those outputs in the loss, by default one each. `fast`: prefixes of the parameters that learn ten
    times as fast as the others; `decay_kernels_only`: weight decay leaves biases and norms alone.
    `anchors`: of a detector, width and height in pixels by stride; its weights may have others.
    `branches`: in the order in which the network's paper draws them.
    """

    name: str
    build: Callable[[int, bool], nn.Module]
    stride: int
    smallest_side: int
    loss: str
    aliases: tuple[str, ...] = ()
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    task: str = "segmentation"
    outputs: tuple[str, ...] = ("logits",)
    main: str = "logits"
    auxiliary: tuple[str, ...] = ()
    head_weights: tuple[float, ...] = ()
    fast: tuple[str, ...] = ()
    decay_kernels_only: bool = False
    branches: tuple[Branch, ...] = ()
    anchors: tuple[tuple[tuple[float, float], ...], ...] = ()
    multiple: int | None = None
    fit: str = "pad"

    @property
    def side_multiple(self) -> int:
        """What a picture's sides are multiples of."""
        return self.multiple or self.stride

    @property
    def main_index(self) -> int:
        """Which of the train form's outputs is the main one."""
        return self.outputs.index(self.main)
