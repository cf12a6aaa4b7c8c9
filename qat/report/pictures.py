"""What the report shows of the images that changed most: layers to lay over each other, as JPEG in data URIs."""

from __future__ import annotations

import base64
import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qat.data.descriptor import IGNORE
from qat.data.fit import AS_IS, Fit
from qat.data.image_io import rgb_view
from qat.evaluation import upsample_argmax
from qat.report.overlay import Picture, overlay

Classes = NDArray[np.uint8]  # (H, W) train ids, 255 is void
Model = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class ComparedPicture:
    """An image (H, W, 3) RGB, its classes in float (`before`) and in the other stage, its label where there is one."""

    name: str
    image: NDArray[np.uint8]
    truth: Classes | None
    before: Classes
    after: Classes

    @property
    def changed(self) -> float:
        """The share of all pixels, 0 to 1, whose class differs; void ones count, as in evaluation."""
        return float(np.mean(self.before != self.after))


def worst_images(
    model: Model,
    batches: Iterable[Mapping[str, Any]],
    count: int,
    *,
    to_input: Callable[[Tensor], Tensor],
    reference: Callable[[Sequence[str]], Tensor],
    align_corners: bool,
    fit: Fit = AS_IS,
    progress: Callable[[int], None] = lambda images: None,
) -> tuple[list[ComparedPicture], list[float]]:
    """The `count` most changed images, the worst first, and the share changed of every image in the list's order.

    As `qat.evaluation.evaluate` takes them: batches ("label" may be missing), `to_input`, `model`, `fit`. reference:
    names -> float's logits (N, C, h, w). Only the images kept so far are in memory.
    """
    shares: list[float] = []

    def each() -> Iterator[ComparedPicture]:
        for batch in batches:
            for compared in _compared(model, batch, to_input, reference, align_corners, fit):
                shares.append(compared.changed)
                yield compared
            progress(len(batch["name"]))

    return heapq.nlargest(count, each(), key=lambda compared: compared.changed), shares


def _compared(
    model: Model,
    batch: Mapping[str, Any],
    to_input: Callable[[Tensor], Tensor],
    reference: Callable[[Sequence[str]], Tensor],
    align_corners: bool,
    fit: Fit,
) -> Iterator[ComparedPicture]:
    names, images = list(batch["name"]), batch["image"]
    labels = batch["label"].numpy() if "label" in batch else [None] * len(names)
    with torch.inference_mode():
        logits = model(to_input(images)).cpu()
    size, canvas = images.shape[1:3], fit.canvas(images.shape[1:3])
    classes, expected = (upsample_argmax(x, size, align_corners, canvas).numpy() for x in (logits, reference(names)))
    for name, image, truth, before, after in zip(names, images.numpy(), labels, expected, classes, strict=True):
        yield ComparedPicture(name, rgb_view(image), truth, before, after)


WIDEST, THUMB = 1024, 168  # pixels
QUALITY, ALPHA = 88, 0.5
LOST, WON, OTHER = (255, 88, 60), (64, 196, 255), (255, 214, 64)  # RGB; told apart with any colour vision
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class ClassDifference:
    """Where the class changed: from right to wrong, from wrong to right, and otherwise (both wrong, or no truth)."""

    lost: Mask
    won: Mask
    other: Mask

    @property
    def shares(self) -> tuple[float, float, float]:
        """Of all pixels, 0 to 1."""
        return float(self.lost.mean()), float(self.won.mean()), float(self.other.mean())


@dataclass(frozen=True)
class PictureLayer:
    """One way to look at an image; `uri` holds the JPEG."""

    key: str
    title: str
    uri: str


@dataclass(frozen=True)
class DrawnPicture:
    """An image of the report: shares in 0 to 1, layers in the order in which they are offered."""

    name: str
    width: int
    height: int
    changed: float
    shares: tuple[float, float, float]
    labelled: bool
    thumb: str
    layers: tuple[PictureLayer, ...]


def draw(compared: ComparedPicture, palette: Picture, stage: str) -> DrawnPicture:
    """Draw an image's layers; `palette` is (classes, 3) RGB, `stage` names what was compared with float."""
    changes = difference(compared)
    pictures = layers(compared, palette, changes)
    titles = {"image": "Image", "truth": "Truth", "float": "float", "stage": stage, "difference": "Difference"}
    height, width = fitted(compared.image, WIDEST).shape[:2]
    return DrawnPicture(
        compared.name,
        width,
        height,
        compared.changed,
        changes.shares,
        compared.truth is not None,
        data_uri(fitted(pictures["difference"], THUMB)),
        tuple(PictureLayer(key, titles[key], data_uri(fitted(picture, WIDEST))) for key, picture in pictures.items()),
    )


def layers(compared: ComparedPicture, palette: Picture, changes: ClassDifference) -> Mapping[str, Picture]:
    """The pictures (H, W, 3) by key; truth only where there is a label."""
    pictures = {"image": compared.image}
    if compared.truth is not None:
        pictures["truth"] = hatched(overlay(compared.image, compared.truth, palette, ALPHA), compared.truth == IGNORE)
    for key, classes in (("float", compared.before), ("stage", compared.after)):
        pictures[key] = overlay(compared.image, classes, palette, ALPHA)
    return pictures | {"difference": highlighted(compared.image, changes)}


def difference(compared: ComparedPicture) -> ClassDifference:
    """Split the changed pixels by the truth; void ones are neither lost nor won."""
    changed = compared.before != compared.after
    nowhere = np.zeros_like(changed)
    lost = nowhere if compared.truth is None else changed & (compared.before == compared.truth)
    won = nowhere if compared.truth is None else changed & (compared.after == compared.truth)
    return ClassDifference(lost, won, changed & ~lost & ~won)


def highlighted(image: Picture, changes: ClassDifference) -> Picture:
    """The image, grey and dark, with the changed pixels in their colours."""
    grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB) // 3
    for mask, colour in ((changes.lost, LOST), (changes.won, WON), (changes.other, OTHER)):
        grey[mask] = colour
    return grey.astype(np.uint8)


def hatched(picture: Picture, void: Mask) -> Picture:
    """Diagonal stripes over the pixels without a class."""
    height, width = void.shape
    stripe = void & ((np.arange(height)[:, None] + np.arange(width)) // 4 % 2 == 0)
    return np.where(stripe[..., None], picture // 4, picture).astype(np.uint8)


def fitted(picture: Picture, widest: int) -> Picture:
    """The picture, scaled down where it is wider."""
    height, width = picture.shape[:2]
    if width <= widest:
        return picture
    size = (widest, max(1, round(height * widest / width)))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.uint8)


def data_uri(picture: Picture) -> str:
    """JPEG with full colour resolution, so that single pixels keep their colour."""
    options = [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
    options += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    _, data = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), options)
    return f"data:image/jpeg;base64,{base64.b64encode(data.tobytes()).decode()}"
