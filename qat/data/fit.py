"""Pictures whose sides aren't multiples of the network's, or of any size: padded and cropped, or scaled, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad as pad_by

from qat.deploy.letterbox import LETTERBOX, Letterbox

Size = tuple[int, int]  # height, width
MODES = ("pad", "resize", LETTERBOX)


@dataclass(frozen=True)
class Fit:
    """How pictures go into a network whose pictures' sides are multiples of `multiple`.

    `mode`: pad, at the right and bottom with the mean colour, and the classes are cropped back; or resize (bilinear).
    `size`: height and width that every picture is scaled to first; None: it keeps its own. Where the sides are
    multiples already, both modes leave a picture as it is. letterbox is pad, but that a picture is scaled to `size` at
    its own aspect ratio, between grey bars.
    """

    mode: str = "pad"
    multiple: int = 1
    size: Size | None = None

    def network_size(self, size: Sequence[int]) -> Size:
        """Height and width of what the network takes for a picture of `size`.

        >>> Fit("pad", 8).network_size((50, 72))
        (56, 72)
        """
        height, width = (-(-side // self.multiple) * self.multiple for side in self.size or size)
        return height, width

    def canvas(self, size: Sequence[int]) -> Size:
        """Height and width that the logits span where the classes of the picture are wanted at `size`, its top left.

        >>> Fit("pad", 8).canvas((50, 72)), Fit("pad", 8, (50, 72)).canvas((100, 144))
        ((56, 72), (112, 144))
        """
        if self.mode == "resize":
            return size[0], size[1]
        pictures, network = self.size or size, self.network_size(size)
        height, width = (round(size[axis] * network[axis] / pictures[axis]) for axis in (0, 1))
        return height, width

    def within(self, size: Size) -> Size:
        """Height and width that the boxes of a picture of `size` are found in, its own or those between the bars."""
        return self.size or size if self.mode == LETTERBOX else size

    def scaled(self, images: Tensor) -> Tensor:
        """Pictures uint8 (N, H, W, 3) at the size that is padded or taken as it is."""
        own: Size = (images.shape[1], images.shape[2])
        height, width = self.network_size(own) if self.mode == "resize" else self.size or own
        if self.mode == LETTERBOX:
            return letterboxed(images, (height, width))
        return resized(images, [width, height])

    def padded(self, x: Tensor) -> Tensor:
        """Normalised pictures (N, 3, H, W) at the network's size."""
        height, width = (-(-side // self.multiple) * self.multiple for side in x.shape[-2:])
        return padded(x, (height, width))

    def record(self, size: Size) -> dict[str, Any]:
        """The manifest's words on pictures of `size` that aren't just stretched to the network's; empty for others."""
        if self.network_size(size) == size and self.mode != LETTERBOX:
            return {}
        return {"fit": self.mode, "picture": {"height": size[0], "width": size[1]}}


AS_IS = Fit()  # pictures of any size keep it


def picture_size(spec: Mapping[str, Any]) -> Size:
    """Height and width that a picture has before it is padded; `spec`: the manifest's `input`."""
    sizes = spec["picture"] if spec.get("fit") in ("pad", LETTERBOX) else spec
    return sizes["height"], sizes["width"]


def padded(x: Tensor, size: Size) -> Tensor:
    """Normalised pictures (N, 3, H, W), with zeros, the mean colour, at the right and bottom up to `size`."""
    below, right = size[0] - x.shape[-2], size[1] - x.shape[-1]
    return pad_by(x, (0, right, 0, below)) if below or right else x


def padded_pixels(images: Tensor, size: Size, mean: Sequence[float]) -> Tensor:
    """Pictures uint8 (N, H, W, 3), with the level nearest to the mean colour up to `size`; `mean`: of RGB / 255."""
    if tuple(images.shape[1:3]) == size:
        return images
    colour = torch.tensor([round(255 * part) for part in mean], dtype=torch.uint8)
    whole = colour.expand(images.shape[0], *size, len(colour)).clone()
    whole[:, : images.shape[1], : images.shape[2]] = images
    return whole


def letterboxed(images: Tensor, size: Size) -> Tensor:
    """Scales uint8 (N, H, W, C) at their aspect ratio to `size` (height, width), between grey bars."""
    if tuple(images.shape[1:3]) == size:
        return images
    box = Letterbox((images.shape[1], images.shape[2]), size)
    return torch.from_numpy(np.stack([box.fill(image) for image in images.numpy()]))


def resized(images: Tensor, size: list[int]) -> Tensor:
    """Scales uint8 (N, H, W, 3) to `size` (width, height)."""
    if [images.shape[2], images.shape[1]] == list(size):
        return images
    scaled = [cv2.resize(image, tuple(size), interpolation=cv2.INTER_LINEAR) for image in images.numpy()]
    return torch.from_numpy(np.stack(scaled)).view(len(scaled), size[1], size[0], images.shape[3])
