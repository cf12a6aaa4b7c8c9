"""How near a network is to float on a few pictures that are scored again and again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from qat.errors import UserError
from qat.evaluation.confusion import ConfusionMatrix
from qat.evaluation.distance import Distance
from qat.evaluation.upsample import upsample_argmax

Network = Callable[[Tensor], Tensor]  # (N, 3, H, W) normalised float32 -> logits (N, classes, h, w)


@dataclass(frozen=True)
class Score:
    """The distance from float on some pictures, and their mIoU (0 to 1), None where they have no labels."""

    logit_sqnr: float  # dB
    pixels_changed: float  # share, 0 to 1
    mean_iou: float | None


@dataclass(frozen=True)
class _ScoredPictures:
    """One batch: image uint8 (N, H, W, 3), label uint8 (N, h, w), and float's logits and classes at label size."""

    image: Tensor
    label: Tensor | None
    logits: Tensor
    classes: Tensor


class Scorer:
    """Scores networks on the same pictures; float's logits are computed once."""

    def __init__(
        self,
        reference: Network,
        batches: Iterable[Mapping[str, Any]],
        num_classes: int,
        *,
        to_input: Callable[[Tensor], Tensor],
        align_corners: bool,
        device: str | torch.device = "cpu",
    ) -> None:
        """`batches`, `to_input` and `align_corners`: as of `evaluate`, but that labels may be missing.

        `reference`: the float network. Both it and the networks to score lie on `device`. UserError for no batches.
        """
        self.num_classes, self.align_corners = num_classes, align_corners
        self.to_input, self.device = to_input, device
        self.pictures = [self._with_reference(reference, batch) for batch in batches]
        if not self.pictures:
            raise UserError("no pictures to score; give more training pictures, or lower QUANT.CALIB_IMAGES")

    def __call__(self, network: Network) -> Score:
        """Run `network` over the pictures."""
        matrix, distance, labelled = ConfusionMatrix(self.num_classes), Distance(), False
        for picture in self.pictures:
            logits, classes = self._run(network, picture.image, picture.classes.shape[1:])
            distance.update(logits, picture.logits)
            distance.update_classes(classes, picture.classes)
            if picture.label is not None:
                matrix.update(classes, picture.label.to(classes.device))
                labelled = True
        sqnr, changed = distance.logit_sqnr, distance.pixels_changed
        assert sqnr is not None  # there is a picture
        assert changed is not None
        return Score(sqnr, changed, matrix.scores().mean_iou if labelled else None)

    def _with_reference(self, reference: Network, batch: Mapping[str, Any]) -> _ScoredPictures:
        image, label = batch["image"], batch.get("label")
        size = image.shape[1:3] if label is None else label.shape[1:]
        return _ScoredPictures(image, label, *self._run(reference, image, size))

    def _run(self, network: Network, image: Tensor, size: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Logits, and classes (N, *size)."""
        with torch.no_grad():
            logits = network(self.to_input(image).to(self.device))
        return logits, upsample_argmax(logits, size, self.align_corners)
