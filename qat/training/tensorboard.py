"""Scalars and pictures for tensorboard."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tensorboardX import SummaryWriter
from torch import Tensor


class Board:
    """Event files in `folder`; events from `iteration` on, which a killed run may have left, are hidden."""

    def __init__(self, folder: Path, palette: NDArray[np.uint8], iteration: int = 0, write: bool = True) -> None:
        self._palette = palette
        self._writer = SummaryWriter(str(folder), purge_step=iteration, write_to_disk=write)

    def scalars(self, iteration: int, values: Mapping[str, float]) -> None:
        """Add a point to each named curve."""
        for name, value in values.items():
            self._writer.add_scalar(name.replace(" ", "_"), value, iteration)

    def histograms(self, iteration: int, values: Mapping[str, Tensor]) -> None:
        """Add the distribution of each named tensor's values."""
        for name, value in values.items():
            self._writer.add_histogram(name, value.detach().float().cpu().numpy(), iteration)

    def picture(self, iteration: int, name: str, image: Tensor, label: Tensor, prediction: Tensor) -> None:
        """Add image (H, W, 3) uint8 RGB, label and prediction (H, W) uint8, one below the other."""
        rows = [image.numpy(), colour(label.numpy(), self._palette), colour(prediction.numpy(), self._palette)]
        self._writer.add_image(name, np.concatenate(rows), iteration, dataformats="HWC")

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()


def colour(classes: NDArray[Any], palette: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Classes (H, W) uint8 -> RGB (H, W, 3); black where ignored or beyond the palette."""
    table = np.zeros((256, 3), np.uint8)
    table[: len(palette)] = palette
    painted: NDArray[np.uint8] = table[classes]
    return painted
