"""Object keypoint similarity and its average precision, beside pycocotools' own."""

from __future__ import annotations

import numpy as np
import pytest
from pycocotools.cocoeval import COCOeval, Params

from qat.data import read_descriptor
from qat.evaluation.tasks.similarity import (
    COCO_SIGMAS,
    FoundPerson,
    _dataset,
    _found,
    _label,
    points_precision,
    sigmas_of,
    similarity,
)


def persons(off: float, count: int = 12) -> list[FoundPerson]:
    rng = np.random.default_rng(0)
    found = []
    for _ in range(count):
        truth = np.column_stack([rng.uniform(0, 100, (17, 2)), rng.integers(0, 3, 17)])
        truth[0, 2] = 2
        found.append(FoundPerson(truth, 2500.0, truth + np.column_stack([rng.normal(0, off, (17, 2)), np.zeros(17)])))
    return found


def test_coco_s_points_have_its_sigmas() -> None:
    assert Params("keypoints").kpt_oks_sigmas == pytest.approx(COCO_SIGMAS)
    assert sigmas_of(read_descriptor("coco_keypoints").class_set.names) == COCO_SIGMAS


def test_the_similarity_is_pycocotools_s(capsys: pytest.CaptureFixture[str]) -> None:
    group = persons(4.0)
    run = COCOeval(_dataset(list(map(_label, group)), 12), _dataset(list(map(_found, group)), 12), "keypoints")
    run.evaluate()
    theirs = [float(run.ious[index, 1][0, 0]) for index in range(12)]
    ours = [similarity(one.truth, one.found, one.area, np.array(COCO_SIGMAS)) for one in group]
    assert ours == pytest.approx(theirs)
    capsys.readouterr()


def test_precision_falls_with_the_distance() -> None:
    right, near, far = (points_precision(persons(off), COCO_SIGMAS) for off in (0.0, 4.0, 40.0))
    assert right == pytest.approx(1)
    assert 0.2 < near < 0.98
    assert far < 0.05
