"""Our scores against the evaluator of Cityscapes itself, through real label files."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch

from qat.data import read_descriptor
from qat.data.encodings import label_ids
from qat.evaluation import ConfusionMatrix

official = pytest.importorskip("cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling")

CITYSCAPES = read_descriptor("cityscapes")
CITYSCAPES_CLASSES, LABELID_TO_TRAINID = CITYSCAPES.class_set.names, label_ids(CITYSCAPES).table
ALL_IDS = np.arange(34, dtype=np.uint8)  # void ones too; only "license plate" (-1) can't be stored in a PNG
EVALUATED_IDS = ALL_IDS[LABELID_TO_TRAINID[ALL_IDS] != 255]
NEVER_SEEN = [27, 28]  # truck, bus: neither labelled nor predicted
PREDICTED_ONLY = 31  # train


def blocks(generator: np.random.Generator, ids: np.ndarray, height: int = 64, width: int = 128) -> np.ndarray:
    return generator.choice(ids, (height // 8, width // 8)).repeat(8, 0).repeat(8, 1).astype(np.uint8)


def pair(generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """labelIds of a label and of a prediction that is right in about two thirds of the pixels."""
    label = blocks(generator, np.setdiff1d(ALL_IDS, [*NEVER_SEEN, PREDICTED_ONLY]))
    other = blocks(generator, np.setdiff1d(EVALUATED_IDS, NEVER_SEEN))
    right = np.isin(label, EVALUATED_IDS) & (generator.random(label.shape) < 2 / 3)
    return np.where(right, label, other).astype(np.uint8), label


@pytest.fixture
def pairs(tmp_path: Path) -> list[tuple[Path, Path]]:
    generator = np.random.default_rng(0)
    result = []
    for index in range(4):
        paths = tmp_path / f"{index}_pred.png", tmp_path / f"{index}_gtFine_labelIds.png"
        for path, ids in zip(paths, pair(generator), strict=True):
            cv2.imwrite(str(path), ids)
        result.append(paths)
    return result


def official_iou(pairs: list[tuple[Path, Path]]) -> tuple[dict[str, float], float]:
    args = SimpleNamespace(**vars(official.args))
    args.quiet, args.JSONOutput, args.evalInstLevelScore, args.evalPixelAccuracy = True, False, False, False
    predictions, labels = ([str(path) for path in side] for side in zip(*pairs, strict=True))
    result = official.evaluateImgLists(predictions, labels, args)
    return result["classScores"], result["averageScoreClasses"]


def test_scores_equal_the_official_evaluator(pairs: list[tuple[Path, Path]]) -> None:
    matrix = ConfusionMatrix(19)
    for paths in pairs:
        prediction, label = (LABELID_TO_TRAINID[cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)] for path in paths)
        matrix.update(torch.from_numpy(prediction)[None], torch.from_numpy(label)[None])
    scores = matrix.scores()
    class_iou, mean_iou = official_iou(pairs)
    expected = [None if math.isnan(class_iou[name]) else class_iou[name] for name in CITYSCAPES_CLASSES]
    assert expected.count(None) == len(NEVER_SEEN)
    assert class_iou["train"] == 0
    assert scores.class_iou == pytest.approx(tuple(expected), abs=1e-9)
    assert scores.mean_iou == pytest.approx(mean_iou, abs=1e-9)
    assert 0.2 < mean_iou < 0.8
