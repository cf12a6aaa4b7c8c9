"""(x / 255 - mean) / std in one pass over uint8 pixels."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from numpy.typing import NDArray


def normalise(
    images: torch.Tensor,
    mean: Sequence[float],
    std: Sequence[float],
    device: torch.device | str = "cpu",
    out: torch.Tensor | None = None,
) -> torch.Tensor:
    """uint8 (N, H, W, 3) on the CPU -> float32 (N, 3, H, W) on `device`, with channels_last strides.

    On the CPU a table lookup writes the result directly; the table is evaluated in float64 and rounded once. Elsewhere
    the uint8 pixels travel and the device computes; both agree to 1e-6. `out`: an earlier result that nobody needs; on
    the CPU its memory is used again where the size is the same (fresh pages cost several times the arithmetic).
    """
    if torch.device(device).type == "cpu":
        return _by_table(images, mean, std, out)
    return by_arithmetic(images.to(device, non_blocking=True), mean, std)


class Normaliser:
    """`normalise` with its arguments kept, into one buffer again and again: a result lives until the next call."""

    def __init__(self, mean: Sequence[float], std: Sequence[float], device: torch.device | str = "cpu") -> None:
        self.mean, self.std, self.device = tuple(mean), tuple(std), device
        self._out: torch.Tensor | None = None

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """uint8 (N, H, W, 3) -> float32 (N, 3, H, W), channels_last."""
        self._out = normalise(images, self.mean, self.std, self.device, self._out)
        return self._out


def table(mean: Sequence[float], std: Sequence[float]) -> NDArray[np.float32]:
    """(1, 256, 3) float32: the normalised value of each uint8 value in each channel."""
    values = np.arange(256, dtype=np.float64)[None, :, None] / 255
    normalised: NDArray[np.float32] = ((values - np.asarray(mean)) / np.asarray(std)).astype(np.float32)
    return normalised


def lookup(
    image: NDArray[np.uint8], lut: NDArray[np.float32], out: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """(H, W, 3) uint8 -> (H, W, 3) float32 through `table`'s result; `out` receives it where given."""
    return cv2.LUT(image, lut, dst=out)  # type: ignore[return-value]


def _by_table(
    images: torch.Tensor, mean: Sequence[float], std: Sequence[float], out: torch.Tensor | None
) -> torch.Tensor:
    batch, height, width, channels = images.shape
    fits = out is not None and out.shape == (batch, channels, height, width)
    if out is None or not (fits and out.is_contiguous(memory_format=torch.channels_last)):
        out = torch.empty((batch, height, width, channels), dtype=torch.float32).permute(0, 3, 1, 2)
    pixels = out.permute(0, 2, 3, 1).numpy()
    flat = (batch * height, width, channels)
    lookup(images.numpy().reshape(flat), table(mean, std), pixels.reshape(flat))
    return out


def by_arithmetic(images: torch.Tensor, mean: Sequence[float], std: Sequence[float]) -> torch.Tensor:
    """uint8 (N, H, W, 3) -> float32 (N, 3, H, W), channels_last, on the images' own device."""
    mean64, std64 = np.asarray(mean, np.float64), np.asarray(std, np.float64)
    scale = torch.tensor(1 / (255 * std64), dtype=torch.float32, device=images.device)
    shift = torch.tensor(-mean64 / std64, dtype=torch.float32, device=images.device)
    return images.float().mul_(scale).add_(shift).permute(0, 3, 1, 2)
