"""Transforms of decoded pixels to a network's or an artefact's input; `qat.data.augmentation` has training's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qat.data.fit import AS_IS, Fit, Size, letterboxed, padded_pixels, picture_size, resized
from qat.deploy.input_form import InputForm, fitted
from qat.deploy.letterbox import LETTERBOX
from qat.deploy.normalise import lookup, table
from qat.errors import UserError, nearest

# centred YUV444 (BT.601), the format of J5's camera pyramid: `full` swing uses all levels, Y, U, V in -128 .. 127;
# `studio` swing has Y in -112 .. 107 and U, V in -112 .. 112
RED, BLUE = 0.299, 0.114  # luma weights; green has the rest
OFFSET = {"full": -128.0, "studio": 16.0 - 128.0}  # of black
LUMA = {"full": 1.0, "studio": 219 / 255}
CHROMA = {"full": 1.0, "studio": 224 / 255}


class InferenceTransform:
    """The transform of calibration and evaluation: tensors of the same pixels, without a copy; `normalise` follows.

    `letterbox`: height and width that every picture is scaled to at its own aspect ratio, between grey bars, for labels
    that are shares of its sides; None: it keeps its size.
    """

    def __init__(self, letterbox: Size | None = None) -> None:
        self.letterbox = letterbox

    def __call__(
        self, image: NDArray[np.uint8], label: NDArray[np.uint8] | None, rng: np.random.Generator
    ) -> dict[str, torch.Tensor]:
        """`image`: uint8 (H, W, 3) RGB. `label`: uint8 (H, W) train ids, left out where there is none.

        A letterboxed sample has `picture`, the picture's own height and width.
        """
        sample = {"image": torch.from_numpy(image)}
        if self.letterbox:
            boxed = letterboxed(sample["image"][None], self.letterbox)[0]
            sample = {"image": boxed, "picture": torch.tensor(image.shape[:2])}
        return sample if label is None else {**sample, "label": torch.from_numpy(label)}


def normalise(
    images: torch.Tensor,
    mean: Sequence[float],
    std: Sequence[float],
    device: torch.device | str = "cpu",
    out: torch.Tensor | None = None,
) -> torch.Tensor:
    """Computes (x / 255 - mean) / std: uint8 (N, H, W, 3) on the CPU -> channels_last float32 (N, 3, H, W) on `device`.

    On the CPU a table lookup writes the result directly; the table is evaluated in float64 and rounded once. Another
    device gets the uint8 pixels and computes; both agree to 1e-6. `out`: an earlier result that is no longer needed;
    the CPU reuses its memory if the size is the same (fresh pages cost several times the arithmetic).
    """
    if torch.device(device).type == "cpu":
        return _by_table(images, mean, std, out)
    return by_arithmetic(images.to(device, non_blocking=True), mean, std)


def network_input(
    images: torch.Tensor,
    mean: Sequence[float],
    std: Sequence[float],
    fit: Fit,
    device: torch.device | str = "cpu",
) -> torch.Tensor:
    """uint8 (N, H, W, 3) -> float32 (N, 3, h, w), normalised and fitted to the network's size."""
    return fit.padded(normalise(fit.scaled(images), mean, std, device))


class Normaliser:
    """Calls `normalise` with fixed arguments and one buffer: a result is valid until the next call."""

    def __init__(
        self, mean: Sequence[float], std: Sequence[float], device: torch.device | str = "cpu", fit: Fit = AS_IS
    ) -> None:
        self.mean, self.std, self.device = tuple(mean), tuple(std), device
        self.fit = fit
        self._out: torch.Tensor | None = None

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """uint8 (N, H, W, 3) -> float32 (N, 3, h, w), channels_last, fitted to the network's size."""
        self._out = normalise(self.fit.scaled(images), self.mean, self.std, self.device, self._out)
        return self.fit.padded(self._out)


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


def artefact_input(spec: Mapping[str, Any], mean: Sequence[float], std: Sequence[float]) -> Callable[[Tensor], Tensor]:
    """Returns a function uint8 (N, H, W, 3) -> contiguous (N, 3, h, w), scaled (bilinear) where the sizes differ.

    `spec`: the manifest's `input`: width, height; type float (normalised) or uint8 (raw RGB); or J5's source pyramid
    (centred YUV444). With fit pad or letterbox a picture is scaled to `picture` and padded to width and height.
    """
    whole: Size = (spec["height"], spec["width"])
    raw, boxed = spec.get("type") == "uint8", spec.get("fit") == LETTERBOX
    form = InputForm(whole, picture_size(spec), tuple(mean), tuple(std), raw, boxed)
    if spec.get("source") == "pyramid":
        return lambda images: _pyramid(images, form)

    def convert(images: Tensor) -> Tensor:
        parts = [torch.from_numpy(fitted(image, form)) for image in images.numpy()]
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    return convert


def _pyramid(images: Tensor, form: InputForm) -> Tensor:
    height, width = form.picture
    scaled = letterboxed(images, form.picture) if form.letterbox else resized(images, [width, height])
    whole = padded_pixels(scaled, form.size, form.mean)
    return rgb_to_centred_yuv(whole.permute(0, 3, 1, 2).float()).contiguous()


def rgb_to_centred_yuv(rgb: Tensor, swing: str = "full") -> Tensor:
    """RGB (N, 3, H, W), 0 .. 255, to centred YUV444 of the same shape: whole numbers, -128 .. 127, as float32."""
    matrix = _to_yuv(swing)
    yuv = torch.einsum("oc,nchw->nohw", matrix, rgb.double())
    yuv[:, 0] += OFFSET[swing]
    return yuv.round().clamp(-128, 127).float()


def centred_yuv_to_rgb(yuv: Tensor, swing: str = "full") -> Tensor:
    """Centred YUV444 (N, 3, H, W) to RGB of the same shape, 0 .. 255, not rounded, as float32."""
    matrix = torch.linalg.inv(_to_yuv(swing))
    shifted = yuv.double().clone()
    shifted[:, 0] -= OFFSET[swing]
    return torch.einsum("oc,nchw->nohw", matrix, shifted).clamp(0, 255).float()


def _to_yuv(swing: str) -> Tensor:
    """The matrix (3, 3) from RGB to YUV without offsets, rows Y, U, V."""
    if swing not in OFFSET:
        raise UserError(f"unknown swing {swing}; {nearest(swing, OFFSET)}")
    luma = torch.tensor([RED, 1 - RED - BLUE, BLUE], dtype=torch.float64)
    red, _, blue = torch.eye(3, dtype=torch.float64)
    u, v = (blue - luma) / (2 * (1 - BLUE)), (red - luma) / (2 * (1 - RED))
    return torch.stack([luma * LUMA[swing], u * CHROMA[swing], v * CHROMA[swing]])
