"""The images whose classes changed most between float and another stage."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qat.evaluation import upsample_argmax

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
    progress: Callable[[int], None] = lambda images: None,
) -> tuple[list[ComparedPicture], list[float]]:
    """The `count` most changed images, the worst first, and the share changed of every image in the list's order.

    As `qat.evaluation.evaluate` takes them: batches ("label" may be missing), `to_input`, `model`. reference: names ->
    float's logits (N, C, h, w). Only the images kept so far are in memory.
    """
    shares: list[float] = []

    def each() -> Iterator[ComparedPicture]:
        for batch in batches:
            for compared in _compared(model, batch, to_input, reference, align_corners):
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
) -> Iterator[ComparedPicture]:
    names, images = list(batch["name"]), batch["image"]
    labels = batch["label"].numpy() if "label" in batch else [None] * len(names)
    with torch.inference_mode():
        logits = model(to_input(images)).cpu()
    size = images.shape[1:3]
    classes, expected = (upsample_argmax(x, size, align_corners).numpy() for x in (logits, reference(names)))
    for name, image, truth, before, after in zip(names, images.numpy(), labels, expected, classes, strict=True):
        yield ComparedPicture(name, image, truth, before, after)
