"""The evaluation that every stage shares: it takes batches and returns scores, times and the distance from float."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from typing import Any, cast

import torch
from torch import Tensor, nn

from qat.data.fit import AS_IS, Fit
from qat.errors import UserError
from qat.evaluation.beside import Beside
from qat.evaluation.confusion import Scores
from qat.evaluation.distance import Distance
from qat.evaluation.outputs import Network, Outputs, moved, several
from qat.evaluation.scorer import Measure, frame_of
from qat.evaluation.tasks import SEGMENTATION, Frame, Tally, Task
from qat.evaluation.tasks.segmentation import SegmentationTally
from qat.torch_private import AnyBatchNorm, AnyDropout


@dataclass(frozen=True)
class Result:
    """The measurements of one evaluation."""

    names: tuple[str, ...]  # of the images, in order
    seconds: float  # from asking for the first batch to the last count
    forward_seconds: float  # in the model, while the batch before is scored beside it on a CPU
    logit_sqnr: float | None = None  # dB, against the reference's outputs; None without a reference
    tally: Tally | None = field(default=None, compare=False, repr=False)  # scores, and the distance from the reference
    task: Task = field(default=SEGMENTATION, compare=False, repr=False)
    distance: Distance | None = field(default=None, compare=False, repr=False)  # from the reference's outputs
    labelled: bool = False  # whether the pictures have labels

    @classmethod
    def joined(cls, parts: Sequence[Result]) -> Result:
        """The measurements of a set from those of its parts, in order; `seconds` are the longest part's.

        Raises UserError where pictures of some parts alone have labels. The first part's sums grow, in place.
        """
        first, tally, distance = parts[0], parts[0].tally, parts[0].distance
        for part in parts[1:]:
            assert tally is not None
            assert distance is not None
            _check_labels(first.labelled, part.labelled, part.names)
            tally.merge(part.tally)
            distance.merge(cast(Distance, part.distance))
        return replace(
            first,
            names=tuple(chain.from_iterable(part.names for part in parts)),
            seconds=max(part.seconds for part in parts),
            forward_seconds=sum(part.forward_seconds for part in parts),
            logit_sqnr=distance.logit_sqnr if distance else None,
        )

    @property
    def main(self) -> float | None:
        """The task's score (0 to 1); None without labels."""
        return self.tally.main if self.tally else None

    @property
    def scores(self) -> Scores | None:
        """Segmentation's scores; None without labels."""
        tally = self.tally
        return tally.matrix.scores() if isinstance(tally, SegmentationTally) and tally.labelled else None

    @property
    def counts(self) -> Tensor | None:
        """Segmentation's confusion matrix in pixels, rows are labels; None without labels."""
        tally = self.tally
        return tally.matrix.counts if isinstance(tally, SegmentationTally) and tally.labelled else None

    @property
    def changed(self) -> float | None:
        """The share (0 to 1) of predictions that aren't the reference's; None without a reference."""
        return self.tally.distances().get(self.task.changed) if self.tally else None


@torch.no_grad()
def evaluate(
    model: Network,
    batches: Iterable[Mapping[str, Any]],
    num_classes: int,
    *,
    to_input: Callable[[Tensor], Tensor],
    align_corners: bool,
    fit: Fit = AS_IS,
    device: str | torch.device = "cpu",
    reference: Callable[[Sequence[str], Tensor], Outputs] | None = None,
    record: Callable[[Sequence[str], Outputs], None] | None = None,
    progress: Callable[[int, Tally], None] | None = None,
    task: Task = SEGMENTATION,
) -> Result:
    """Run `model` over all batches and score what it predicts.

    On a CPU a batch is scored in a thread beside the next one's forward pass; the figures are the same.

    Args:
        model: input -> the task's outputs, in eval mode; of segmentation logits (N, num_classes, h, w) of any size.
        batches: dicts with "image" uint8 (N, H, W, 3), "name" (N) and, where there are labels, "label": of
            segmentation uint8 (N, H, W) with 255 ignored, of classification int64 (N). Without labels only the distance
            from `reference` is measured.
        num_classes: of the outputs; labels are 0 to num_classes - 1.
        to_input: "image" -> the model's input; it may use one buffer again for every batch.
        align_corners: how maps are interpolated to the label's size, as `torch.nn.functional.interpolate` does.
        fit: how `to_input` fits pictures to the network's size; by default it leaves their size.
        device: where inputs go, and so where the model lies.
        reference: (names, input) -> the outputs to compare with: a float model, or `LogitStore.read`.
        record: takes (names, outputs) of this model: `LogitStore.write`.
        progress: takes (images of this batch, the tally so far) after each batch.
        task: what the outputs are (`qat.evaluation.tasks`).

    Returns:
        The score (0 to 1), times in seconds; with a reference also the share (0 to 1) of predictions that differ from
        the reference's, such as pixels' classes, and the SQNR of the outputs in dB.

    Raises:
        UserError: for no batches, labels of some pictures alone, outputs of a wrong shape or not finite, layers in
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
    device, measure = torch.device(device), Measure(task, num_classes)
    scoring, labelled = _Scoring(measure, record, progress), cast("bool | None", None)
    names: list[str] = []
    forward_seconds, start = 0.0, time.perf_counter()
    with Beside(on=device.type == "cpu") as beside:
        for batch in batches:
            labelled = _check_labels(labelled, batch.get("label") is not None, batch["name"])
            inputs = to_input(batch["image"]).to(device)
            outputs, seconds = _timed_forward(model, inputs)
            _check_outputs(outputs, task, num_classes, batch["name"])
            expected = None if reference is None else moved(reference(list(batch["name"]), inputs), device)
            frame = frame_of(batch, fit, align_corners, task)
            beside.start(partial(scoring.add, batch, outputs, expected, frame))
            names += batch["name"]
            forward_seconds += seconds
        beside.wait()
    if not names:
        raise UserError("no images to evaluate: the list is empty; check DATASET.TEST_SET and TEST.NUM_IMAGES")
    seconds = time.perf_counter() - start
    return Result(
        tuple(names),
        seconds,
        forward_seconds,
        measure.distance.logit_sqnr,
        measure.tally,
        task,
        measure.distance,
        bool(labelled),
    )


@dataclass(frozen=True)
class _Scoring:
    """What is done with a batch after its forward pass."""

    measure: Measure
    record: Callable[[Sequence[str], Outputs], None] | None
    progress: Callable[[int, Tally], None] | None

    @torch.no_grad()  # a thread has its own mode
    def add(self, batch: Mapping[str, Any], outputs: Outputs, expected: Outputs | None, frame: Frame) -> None:
        """Add its outputs to the sums, held against its label and what is `expected`."""
        predict, names = self.measure.task.predict, list(batch["name"])
        prediction = predict(outputs, frame)
        if batch.get("label") is not None:
            self.measure.tally.score(prediction, batch["label"])
        if expected is not None:
            self.measure.compare(outputs, prediction, expected, predict(expected, frame), frame)
        if self.record is not None:
            self.record(names, outputs)
        if self.progress is not None:
            self.progress(len(names), self.measure.tally)


def _timed_forward(model: Network, inputs: Tensor) -> tuple[Outputs, float]:
    """The model's outputs and the seconds they took, the device's queue included."""
    _wait(inputs)
    start = time.perf_counter()
    with torch.inference_mode():
        outputs = model(inputs)
    _wait(inputs)
    return outputs, time.perf_counter() - start


def _wait(tensor: Tensor) -> None:
    if tensor.is_cuda:
        torch.cuda.synchronize(tensor.device)


def _check_mode(model: Network) -> None:
    """Refuses layers that would learn from the images or drop values; a wrapper's own flag doesn't matter."""
    layers = model.named_modules() if isinstance(model, nn.Module) else ()
    for name, layer in layers:
        if isinstance(layer, (AnyBatchNorm, AnyDropout)) and layer.training:
            raise UserError(f"layer {name} of the model is in training mode; call model.eval() before evaluating")


def _check_labels(labelled: bool | None, found: bool, names: Sequence[str]) -> bool:
    """Whether the pictures have labels, all of them or none; `found`: those of `names` do."""
    if labelled not in (None, found):
        here, before = ("a", "none") if found else ("no", "one")
        raise UserError(f"{names[0]} has {here} label and the pictures before it {before}; expected one kind")
    return found


def _described(outputs: object) -> str:
    """A shape, or what else there is.

    >>> _described((torch.zeros(1, 2), 3))
    'a tuple of shape (1, 2), int'
    """
    if isinstance(outputs, (list, tuple)):
        return f"a {type(outputs).__name__} of {', '.join(map(_named, outputs))}"
    return _named(outputs) if isinstance(outputs, Tensor) else f"a {_named(outputs)}"


def _named(output: object) -> str:
    return f"shape {tuple(output.shape)}" if isinstance(output, Tensor) else type(output).__name__


def _check_outputs(outputs: object, task: Task, num_classes: int, names: Sequence[str]) -> None:
    if expected := task.fault(outputs, num_classes):
        got = _described(outputs)
        raise UserError(f"the model's output is {got}; expected {expected}")
    if not all(_finite(one) for one in several(cast(Outputs, outputs))):
        raise UserError(
            f"NaN or infinity in the logits of {', '.join(names)}; check the checkpoint and the calibration"
        )


def _finite(output: Tensor) -> bool:
    """Whether every value is; NaN is the least and the largest value of a tensor that has one."""
    return not output.numel() or all(bool(extreme.isfinite()) for extreme in output.aminmax())
