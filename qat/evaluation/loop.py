"""The evaluation that every stage shares: it takes batches and returns scores, times and the distance from float."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from qat.data.fit import AS_IS, Fit
from qat.errors import UserError
from qat.evaluation.confusion import ConfusionMatrix, Scores
from qat.evaluation.distance import Distance
from qat.evaluation.upsample import upsample_argmax
from qat.torch_private import AnyBatchNorm, AnyDropout


@dataclass(frozen=True)
class Result:
    """The measurements of one evaluation."""

    scores: Scores | None  # None without labels
    names: tuple[str, ...]  # of the images, in order
    seconds: float  # from asking for the first batch to the last count
    forward_seconds: float  # in the model alone
    pixels_changed: float | None = None  # share (0 to 1) of all pixels whose class differs from the reference's
    logit_sqnr: float | None = None  # dB, against the reference's logits
    counts: Tensor | None = field(default=None, compare=False, repr=False)  # pixels, rows are labels; None without


@torch.no_grad()
def evaluate(
    model: Callable[[Tensor], Tensor],
    batches: Iterable[Mapping[str, Any]],
    num_classes: int,
    *,
    to_input: Callable[[Tensor], Tensor],
    align_corners: bool,
    fit: Fit = AS_IS,
    device: str | torch.device = "cpu",
    reference: Callable[[Sequence[str], Tensor], Tensor] | None = None,
    record: Callable[[Sequence[str], Tensor], None] | None = None,
    progress: Callable[[int, ConfusionMatrix], None] | None = None,
) -> Result:
    """Run `model` over all batches and score its classes at label size.

    Args:
        model: input -> logits (N, num_classes, h, w) of any size h, w, in eval mode.
        batches: dicts with "image" uint8 (N, H, W, 3), "name" (N) and, where there are labels, "label"
            uint8 (N, H, W) with 255 ignored. Without labels only the distance from `reference` is measured.
        num_classes: of the logits; labels are 0 to num_classes - 1, or 255.
        to_input: "image" -> the model's input; it may use one buffer again for every batch.
        align_corners: how logits are interpolated to the label's size, as `torch.nn.functional.interpolate` does.
        fit: how `to_input` fits pictures to the network's size; by default it leaves their size.
        device: where inputs go, and so where the model lies.
        reference: (names, input) -> the logits to compare with: a float model, or `LogitStore.read`.
        record: takes (names, logits) of this model: `LogitStore.write`.
        progress: takes (images of this batch, the matrix so far) after each batch.

    Returns:
        mIoU and accuracies (0 to 1), times in seconds; with a reference also the share (0 to 1) of pixels whose class
        differs from the reference's, and the SQNR of the logits in dB.

    Raises:
        UserError: for no batches, labels of some pictures alone, logits of a wrong shape or not finite, layers in
            training mode.

    Example:
        >>> image = torch.zeros(1, 4, 8, 3, dtype=torch.uint8)
        >>> image[:, :, 4:] = 255
        >>> label = (image[..., 0] > 0).byte()
        >>> def model(x):
        ...     return torch.cat([1 - x[:, :1], x[:, :1]], dim=1)
        >>> result = evaluate(
        ...     model,
        ...     [{"image": image, "label": label, "name": ["a"]}],
        ...     num_classes=2,
        ...     to_input=lambda image: image.permute(0, 3, 1, 2).float() / 255,
        ...     align_corners=False,
        ... )
        >>> result.scores.mean_iou, result.names
        (1.0, ('a',))
    """
    _check_mode(model)
    device = torch.device(device)
    matrix, distance = ConfusionMatrix(num_classes), Distance()
    labelled: bool | None = None
    names: list[str] = []
    forward_seconds, start = 0.0, time.perf_counter()
    for batch in batches:
        label, batch_names = batch.get("label"), list(batch["name"])
        labelled = _check_labels(labelled, label, batch_names)
        inputs = to_input(batch["image"]).to(device)
        logits, seconds = _timed_forward(model, inputs)
        _check_logits(logits, num_classes, batch_names)
        size = batch["image"].shape[1:3] if label is None else label.shape[-2:]
        prediction = upsample_argmax(logits, size, align_corners, fit.canvas(size))
        if label is not None:
            matrix.update(prediction, label.to(device))
        if reference is not None:
            expected = reference(batch_names, inputs).to(device)
            distance.update(logits, expected, size, fit.canvas(size))
            distance.update_classes(prediction, upsample_argmax(expected, size, align_corners, fit.canvas(size)))
        if record is not None:
            record(batch_names, logits)
        names += batch_names
        forward_seconds += seconds
        if progress is not None:
            progress(len(batch_names), matrix)
    if not names:
        raise UserError("no images to evaluate: the list is empty; check DATASET.TEST_SET and TEST.NUM_IMAGES")
    seconds = time.perf_counter() - start
    scores = matrix.scores() if labelled else None
    changed, sqnr = distance.pixels_changed, distance.logit_sqnr
    return Result(scores, tuple(names), seconds, forward_seconds, changed, sqnr, matrix.counts if labelled else None)


def _timed_forward(model: Callable[[Tensor], Tensor], inputs: Tensor) -> tuple[Tensor, float]:
    """The model's logits and the seconds they took, the device's queue included."""
    _wait(inputs)
    start = time.perf_counter()
    with torch.inference_mode():
        logits = model(inputs)
    _wait(inputs)
    return logits, time.perf_counter() - start


def _wait(tensor: Tensor) -> None:
    if tensor.is_cuda:
        torch.cuda.synchronize(tensor.device)


def _check_mode(model: Callable[[Tensor], Tensor]) -> None:
    """Refuses layers that would learn from the images or drop values; a wrapper's own flag doesn't matter."""
    layers = model.named_modules() if isinstance(model, nn.Module) else ()
    for name, layer in layers:
        if isinstance(layer, (AnyBatchNorm, AnyDropout)) and layer.training:
            raise UserError(f"layer {name} of the model is in training mode; call model.eval() before evaluating")


def _check_labels(labelled: bool | None, label: Tensor | None, names: Sequence[str]) -> bool:
    """Whether the pictures have labels, all of them or none."""
    found = label is not None
    if labelled not in (None, found):
        here, before = ("a", "none") if found else ("no", "one")
        raise UserError(f"{names[0]} has {here} label and the pictures before it {before}; expected one kind")
    return found


def _check_logits(logits: object, num_classes: int, names: Sequence[str]) -> None:
    if not isinstance(logits, Tensor) or logits.ndim != 4 or logits.shape[1] != num_classes:
        got = f"shape {tuple(logits.shape)}" if isinstance(logits, Tensor) else f"a {type(logits).__name__}"
        expected = f"expected logits (N, {num_classes}, h, w): check DATASET.NUM_CLASSES, and build with aux=False"
        raise UserError(f"the model's output is {got}; {expected}")
    if not logits.isfinite().all():
        raise UserError(
            f"NaN or infinity in the logits of {', '.join(names)}; check the checkpoint and the calibration"
        )
