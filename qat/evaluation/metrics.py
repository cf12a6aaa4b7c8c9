"""The content of a stage's metrics.json, and the gate between stages."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from qat.errors import UserError
from qat.evaluation.loop import Result
from qat.evaluation.tasks import task_in
from qat.files import sha256_text

Metrics = Mapping[str, Any]
MEASURED_ON = "measured_on"  # what identifies pictures and labels; older metrics don't say it


def metrics(result: Result, class_names: Sequence[str], model: str, environment: Mapping[str, Any]) -> dict[str, Any]:
    """A stage's metrics, ready for JSON.

    Fractions are 0 to 1, times in seconds, `logit_sqnr` in dB. Of segmentation `class_iou` is by name, null for a class
    that is neither labelled nor predicted. Without labels the scores and every class are null. `image_list` is the hash
    of the image names: only equal lists can be compared. `pixels_changed` and `logit_sqnr` are there if the stage was
    compared with float (`logit_sqnr` null: equal logits). Other tasks have their own names for these
    (`qat.evaluation.tasks`).
    """
    task = result.task
    content = (result.tally or task.tally(len(class_names))).scores(class_names) | {
        "images": len(result.names),
        "image_list": image_list(result.names),
        "seconds": result.seconds,
        "forward_seconds": result.forward_seconds,
        "model": model,
        "environment": dict(environment),
    }
    if result.changed is None or result.logit_sqnr is None:
        return content
    assert result.tally is not None
    sqnr = result.logit_sqnr if math.isfinite(result.logit_sqnr) else None
    return content | result.tally.distances() | {"logit_sqnr": sqnr}


def image_list(names: Iterable[str]) -> str:
    """The hash of the images' names, in any order."""
    return sha256_text("\n".join(sorted(names)))


def share_of_float(stage: Metrics, reference: Metrics) -> float:
    """Returns the score as a share of float's, over the same classes; UserError if they can't be compared.

    A class that no label holds counts in an mIoU, with 0, where one pixel is predicted as it: here it counts only where
    both predict it. Without labels: the share of predictions that are float's, such as pixels that keep its class.

    >>> float_metrics = {"mean_iou": 0.5, "image_list": "", "class_iou": {"road": 0.5, "bus": None}}
    >>> stage_metrics = {"mean_iou": 0.2, "image_list": "", "class_iou": {"road": 0.4, "bus": 0.0}}
    >>> share_of_float(stage_metrics, float_metrics)
    0.8
    """
    require_comparable(stage, reference)
    if not has_labels(reference):
        return 1 - float(stage[task_in(stage).changed])
    own, before = common_means(stage, reference)
    if not before:
        score = task_in(reference).score_title
        raise UserError(f"float {score} is 0; check TEST.MODEL_FILE and the labels' encoding before quantising")
    return own / before


def common_means(stage: Metrics, reference: Metrics) -> tuple[float, float]:
    """Returns the score of a stage and of float; an mIoU over the classes that both know, all that labels hold."""
    own, before, task = known_classes(stage), known_classes(reference), task_in(reference)
    both = [name for name in before if name in own]
    if own.keys() == before.keys() or not both or not task.maps:
        return float(stage[task.score]), float(reference[task.score])
    return sum(own[name] for name in both) / len(both), sum(before[name] for name in both) / len(both)


def has_labels(stage: Metrics) -> bool:
    """Whether the stage was scored against labels, not only against float."""
    return task_in(stage).of(stage) is not None


def passes(stage: Metrics, reference: Metrics, gate: float) -> bool:
    """Whether a stage keeps at least `gate` (such as 0.99) of float (`share_of_float`)."""
    return share_of_float(stage, reference) >= gate


def comparable(stage: Metrics, reference: Metrics) -> bool:
    """Whether two stages were measured on the same images, labels and classes."""
    same_images = stage["image_list"] == reference["image_list"] and has_labels(stage) == has_labels(reference)
    both_say = MEASURED_ON in stage and MEASURED_ON in reference
    if both_say and stage[MEASURED_ON] != reference[MEASURED_ON]:
        return False
    return same_images and task_in(stage) is task_in(reference) and list(of_class(stage)) == list(of_class(reference))


def of_class(stage: Metrics) -> Mapping[str, float | None]:
    """The score of every class by name, such as its IoU; None for a class without labels and predictions."""
    scores: Mapping[str, float | None] = stage[task_in(stage).classes]
    return scores


def known_classes(stage: Metrics) -> dict[str, float]:
    """The score of every class that has one, by name."""
    return {name: value for name, value in of_class(stage).items() if value is not None}


def class_changes(stage: Metrics, reference: Metrics) -> dict[str, float]:
    """Returns the rise of the score of each class that both know, by name."""
    own = known_classes(stage)
    return {name: own[name] - before for name, before in known_classes(reference).items() if name in own}


def require_comparable(stage: Metrics, reference: Metrics) -> None:
    """Raise UserError if two stages were measured on different images or classes."""
    if not comparable(stage, reference):
        counts = f"float on {reference['images']} images, this stage on {stage['images']}"
        same = "evaluate both with the same DATASET, TEST_SET and NUM_IMAGES"
        raise UserError(f"the stages were measured on different images or classes ({counts}): {same}")
