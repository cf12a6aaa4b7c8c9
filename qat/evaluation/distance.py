"""The distance from float, which mIoU's luck hides: changed pixels, the logits' signal-to-noise ratio, divergence."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from qat.data.fit import AS_IS, Fit
from qat.errors import UserError
from qat.evaluation.confusion import ConfusionMatrix
from qat.evaluation.upsample import upsample_argmax

Network = Callable[[Tensor], Tensor]  # (N, 3, H, W) normalised float32 -> logits (N, classes, h, w)


class Distance:
    """Sums over a set, in float64, of the differences between logits and the reference's logits."""

    def __init__(self) -> None:
        self._signal = self._noise = 0.0
        self._changed = self._pixels = 0

    def update(
        self,
        logits: Tensor,
        reference: Tensor,
        size: Sequence[int] | None = None,
        canvas: Sequence[int] | None = None,
    ) -> None:
        """Add a batch's logits (N, C, h, w); UserError if the shapes differ.

        `canvas`: height and width that the logits span, where the picture, of `size`, is padded: its own part counts.
        """
        if logits.shape != reference.shape:
            shape, expected = tuple(logits.shape), tuple(reference.shape)
            raise UserError(
                f"logits are {shape}, the reference's {expected}; evaluate the float stage again with this config"
            )
        if size and canvas:
            logits, reference = (own_part(values, size, canvas) for values in (logits, reference))
        self._signal += _energy(reference)
        self._noise += _energy(reference - logits)

    def update_classes(self, prediction: Tensor, reference: Tensor) -> None:
        """Add a batch's classes at label size (N, H, W); every pixel counts, void ones too."""
        self._changed += int((prediction != reference).sum())
        self._pixels += prediction.numel()

    @property
    def pixels_changed(self) -> float | None:
        """The share (0 to 1) of pixels whose class differs; None before the first update."""
        return self._changed / self._pixels if self._pixels else None

    @property
    def logit_sqnr(self) -> float | None:
        """10 log10(sum reference² / sum (reference - logits)²) in dB; infinite if equal, None before an update."""
        if not self._pixels:
            return None
        if self._noise == 0:
            return math.inf
        return 10 * math.log10(self._signal / self._noise) if self._signal else -math.inf


def own_part(logits: Tensor, size: Sequence[int], canvas: Sequence[int]) -> Tensor:
    """Those of the logits (N, C, h, w) that lie in a picture of `size`, at the top left of what they span, `canvas`.

    >>> own_part(torch.zeros(1, 2, 8, 9), (50, 72), (64, 72)).shape
    torch.Size([1, 2, 7, 9])
    """
    rows, columns = (-(-cells * own // whole) for cells, own, whole in zip(logits.shape[2:], size, canvas, strict=True))
    return logits[:, :, :rows, :columns]


def divergence(logits: Tensor, expected: Tensor) -> Tensor:
    """Mean over pixels of KL(softmax(expected) || softmax(logits)); both (N, C, h, w)."""
    log_chances, expected_log_chances = (value.float().log_softmax(1) for value in (logits, expected))
    pixels = logits.numel() // logits.shape[1]
    return F.kl_div(log_chances, expected_log_chances, reduction="sum", log_target=True) / pixels


def _energy(values: Tensor) -> float:
    return float(torch.linalg.vector_norm(values, dtype=torch.float64)) ** 2


@dataclass(frozen=True)
class Score:
    """The distance from float on some pictures, and their mIoU (0 to 1), None if they have no labels."""

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
    """Scores networks again and again on the same few pictures; float's logits are computed once."""

    def __init__(
        self,
        reference: Network,
        batches: Iterable[Mapping[str, Any]],
        num_classes: int,
        *,
        to_input: Callable[[Tensor], Tensor],
        align_corners: bool,
        fit: Fit = AS_IS,
        device: str | torch.device = "cpu",
    ) -> None:
        """`batches`, `to_input`, `align_corners` and `fit`: as of `evaluate`, but that labels may be missing.

        `reference`: the float network. Both it and the networks to score lie on `device`. UserError for no batches.
        """
        self.num_classes, self.align_corners, self.fit = num_classes, align_corners, fit
        self.to_input, self.device = to_input, device
        self.pictures = [self._with_reference(reference, batch) for batch in batches]
        if not self.pictures:
            raise UserError("no pictures to score; give more training pictures, or lower QUANT.CALIB_IMAGES")

    def __call__(self, network: Network) -> Score:
        """Run `network` over the pictures."""
        matrix, distance, labelled = ConfusionMatrix(self.num_classes), Distance(), False
        for picture in self.pictures:
            size = picture.classes.shape[1:]
            logits, classes = self._run(network, picture.image, size)
            distance.update(logits, picture.logits, size, self.fit.canvas(size))
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
        return logits, upsample_argmax(logits, size, self.align_corners, self.fit.canvas(size))
