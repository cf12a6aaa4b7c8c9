"""What infer makes of a picture's classes: overlays side by side, one overlay, plain colours, or the class ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from qat.deploy.draw_classes import colours_of
from qat.report.mode_names import COLOUR, MASK, OVERLAY
from qat.report.overlay import Picture, legend, overlay, panel


@dataclass(frozen=True)
class Painter:
    """Paints the classes of stages over a picture.

    `stages`: their names, whose last one is shown where only one is. `palette`: (classes, 3) RGB. `widest`: pixels
    beyond which the result is scaled down; 0: never.
    """

    mode: str
    stages: tuple[str, ...]
    names: tuple[str, ...]
    palette: Picture
    widest: int = 0

    def __call__(self, image: Picture, classes: NDArray[np.uint8]) -> Picture:
        """The picture (H, W, 3) of `image` (H, W, 3) RGB and the stages' classes (stages, H, W)."""
        if self.mode == MASK:
            return np.asarray(classes[-1])
        if self.mode == COLOUR:
            return colours_of(classes[-1], self.palette)
        picture = overlay(image, classes[-1], self.palette) if self.mode == OVERLAY else self._compared(image, classes)
        return self._scaled(picture)

    def _compared(self, image: Picture, classes: NDArray[np.uint8]) -> Picture:
        panels = [(stage, overlay(image, own, self.palette)) for stage, own in zip(self.stages, classes, strict=True)]
        if len(classes) == 2:
            panels.append(changes(image, classes))
        picture = panel(panels)
        return np.vstack([picture, self._legend(picture.shape[1])])

    def _legend(self, width: int) -> Picture:
        if width not in self._legends:
            self._legends[width] = legend(self.names, self.palette, width)
        return self._legends[width]

    @cached_property
    def _legends(self) -> dict[int, Picture]:
        return {}

    def _scaled(self, picture: Picture) -> Picture:
        if not 0 < self.widest < picture.shape[1]:
            return picture
        height = round(picture.shape[0] * self.widest / picture.shape[1])
        return np.asarray(cv2.resize(picture, (self.widest, height), interpolation=cv2.INTER_AREA), np.uint8)


def changes(image: Picture, classes: Sequence[NDArray[np.uint8]] | NDArray[np.uint8]) -> tuple[str, Picture]:
    """The share of pixels that two stages class differently, and these in white over the dark picture."""
    changed = classes[0] != classes[1]
    dark = (image // 3).astype(image.dtype)
    dark[changed] = 255
    return f"changed: {changed.mean():.3%}", dark


def finished(image: Picture, painted: Picture) -> Picture:
    """What is painted already, for a writer that gets pictures in place of classes."""
    return painted
