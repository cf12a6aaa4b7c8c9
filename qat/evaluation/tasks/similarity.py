"""Object keypoint similarity, COCO's measure of points, and the average precision over it by COCO's own evaluation."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
SIGMA = 0.05  # of points that nothing is known of
COCO_POINTS = (
    *("nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder"),
    *("left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip"),
    *("left_knee", "right_knee", "left_ankle", "right_ankle"),
)
COCO_SIGMAS = (  # of these points; pycocotools, `Params.kpt_oks_sigmas`
    *(0.026, 0.025, 0.025, 0.035, 0.035, 0.079, 0.079, 0.072, 0.072),
    *(0.062, 0.062, 0.107, 0.107, 0.087, 0.087, 0.089, 0.089),
)


def sigmas_of(names: Sequence[str]) -> tuple[float, ...]:
    """COCO's sigmas for its 17 points, by their names; `SIGMA` for each of other points.

    >>> sigmas_of(["head", "foot"]), sigmas_of(COCO_POINTS)[0]
    ((0.05, 0.05), 0.026)
    """
    return COCO_SIGMAS if tuple(names) == COCO_POINTS else (SIGMA,) * len(names)


@dataclass(frozen=True, eq=False)
class FoundPerson:
    """A person cut out: its labelled points (points, 3), x, y in pixels and COCO's mark, its area in square pixels, and
    what was found, (points, 3), x, y and the peak.
    """

    truth: Floats
    area: float
    found: Floats


def similarity(truth: Floats, found: Floats, area: float, sigmas: Floats) -> float:
    """The similarity of a person's points, 0 to 1: the mean of exp(-d² / (2 area (2 sigma)²)) over the labelled ones.

    Args:
        truth: (points, 3) x, y, and above 0 where there is a label; one at least.
        found: (points, 2 or more) x, y in the same pixels.
        area: of the person in square pixels.
        sigmas: (points,) how far people who label put a point apart, over the root of the area.

    Example:
        >>> similarity(np.array([[8, 8, 2.0]]), np.array([[8, 8]]), 64, np.array([0.05]))
        1.0
    """
    squares = ((truth[:, :2] - found[:, :2]) ** 2).sum(1)
    alike = np.exp(-squares / (2 * (area + np.spacing(1)) * (2 * sigmas) ** 2))
    return float(alike[truth[:, 2] > 0].mean())


def points_precision(persons: Sequence[FoundPerson], sigmas: Sequence[float]) -> float:
    """Average precision over similarities of .5 to .95 (pycocotools); each person is a picture of its own.

    Points are found in the labelled box, so each person is found once, as sure as its peaks are high. Small persons
    count like large ones.

    Example:
        >>> points = np.array([[8, 8, 2], [20, 40, 2.0]])
        >>> round(points_precision([FoundPerson(points, 900.0, points)], [0.05, 0.05]), 3)
        1.0
    """
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):  # it prints its progress
        labels = _dataset([_label(person) for person in persons], len(persons))
        found = _dataset([_found(person) for person in persons], len(persons))
        run = COCOeval(labels, found, "keypoints")
        run.params.kpt_oks_sigmas = np.array(sigmas)
        run.evaluate()
        run.accumulate()
    precisions: Floats = run.eval["precision"][:, :, 0, 0, -1]  # all sizes, all detections
    return float(precisions.mean())


def _dataset(rows: Sequence[dict[str, Any]], pictures: int) -> Any:
    from pycocotools.coco import COCO

    dataset = COCO()
    annotations = [
        {**row, "id": index + 1, "image_id": index, "category_id": 1, "iscrowd": 0} for index, row in enumerate(rows)
    ]
    images = [{"id": index} for index in range(pictures)]
    dataset.dataset = {"images": images, "categories": [{"id": 1}], "annotations": annotations}
    dataset.createIndex()
    return dataset


def _label(person: FoundPerson) -> dict[str, Any]:
    return _row(person.truth, person.area) | {"num_keypoints": int((person.truth[:, 2] > 0).sum())}


def _found(person: FoundPerson) -> dict[str, Any]:
    return _row(person.found, person.area) | {"score": float(person.found[:, 2].mean())}


def _row(points: Floats, area: float) -> dict[str, Any]:
    (left, top), (right, bottom) = points[:, :2].min(0).tolist(), points[:, :2].max(0).tolist()
    return {"keypoints": points[:, :3].ravel().tolist(), "area": area, "bbox": [left, top, right - left, bottom - top]}
