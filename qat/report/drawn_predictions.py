"""What the report shows of a task that isn't segmentation: the pictures whose predictions changed most."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor

from qat.data.descriptor import ClassSet
from qat.data.fit import AS_IS, Fit
from qat.data.image_io import rgb_view
from qat.evaluation.outputs import Network, Outputs
from qat.evaluation.scorer import frame_of
from qat.evaluation.tasks import Prediction, Task
from qat.evaluation.tasks.task import Drawing, Picture
from qat.report.pictures import THUMB, WIDEST, DrawnPicture, PictureLayer, data_uri, fitted


@dataclass(frozen=True)
class ComparedPrediction:
    """An image (H, W, 3) RGB, its label (None without), and what float (`before`) and the other stage predict of it.

    `changed`: the share (0 to 1) that isn't float's.
    """

    name: str
    image: Picture
    label: Any
    before: Prediction
    after: Prediction
    changed: float


def most_changed(
    task: Task,
    model: Network,
    batches: Iterable[Mapping[str, Any]],
    count: int,
    *,
    to_input: Callable[[Tensor], Tensor],
    reference: Callable[[Sequence[str]], Outputs],
    align_corners: bool,
    fit: Fit = AS_IS,
    progress: Callable[[int], None] = lambda images: None,
) -> tuple[list[ComparedPrediction], list[float]]:
    """As `qat.report.pictures.worst_images`, for any task: the most changed, and the share changed of every image."""
    shares: list[float] = []

    def each() -> Iterator[ComparedPrediction]:
        for batch in batches:
            frame, names = frame_of(batch, fit, align_corners, task), list(batch["name"])
            with torch.inference_mode():
                after = task.predict(model(to_input(batch["image"])), frame)
            before = task.predict(reference(names), frame)
            for index, name in enumerate(names):
                compared = _compared(task, batch, index, name, before[index], after[index])
                shares.append(compared.changed)
                yield compared
            progress(len(names))

    return heapq.nlargest(count, each(), key=lambda compared: compared.changed), shares


def _compared(
    task: Task, batch: Mapping[str, Any], index: int, name: str, before: Prediction, after: Prediction
) -> ComparedPrediction:
    tally = task.tally(1)
    tally.compare([after], [before])
    image = rgb_view(batch["image"][index].numpy())
    label = batch["label"][index] if "label" in batch else None
    return ComparedPrediction(name, image, label, before, after, tally.distances()[task.changed])


def draw_prediction(task: Task, compared: ComparedPrediction, classes: ClassSet, stage: str) -> DrawnPicture:
    """Draw an image's layers; `stage` names what was compared with float."""
    drawing, image = cast(Drawing, task.drawing), compared.image
    pictures = {"image": ("Image", image)}
    if compared.label is not None:
        pictures["truth"] = ("Truth", drawing.truth(image, compared.label, classes))
    pictures["float"] = ("float", drawing.prediction(image, compared.before, classes))
    pictures["stage"] = (stage, drawing.prediction(image, compared.after, classes))
    pictures["difference"] = ("Difference", drawing.changes(image, compared.before, compared.after, classes))
    height, width = fitted(image, WIDEST).shape[:2]
    return DrawnPicture(
        name=compared.name,
        width=width,
        height=height,
        changed=compared.changed,
        shares=(0.0, 0.0, compared.changed),
        labelled=False,  # no share from right to wrong
        thumb=data_uri(fitted(pictures["difference"][1], THUMB)),
        layers=tuple(
            PictureLayer(key, title, data_uri(fitted(picture, WIDEST))) for key, (title, picture) in pictures.items()
        ),
    )
