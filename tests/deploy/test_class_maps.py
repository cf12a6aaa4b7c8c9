"""Classes of pixels without torch are torch's: any size, padded pictures, both ways of interpolation."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from qat.deploy.class_maps import classes_of
from qat.evaluation.upsample import upsample_argmax

SIZES = [((6, 9), (48, 72), None), ((6, 9), (45, 70), (48, 72)), ((5, 7), (31, 53), None), ((4, 4), (4, 4), None)]


def logits(shape: tuple[int, int]) -> np.ndarray:
    return np.random.default_rng(3).normal(size=(7, *shape)).astype(np.float32)


@pytest.mark.parametrize("align_corners", [True, False])
@pytest.mark.parametrize(("shape", "size", "canvas"), SIZES)
def test_they_are_torchs(
    shape: tuple[int, int], size: tuple[int, int], canvas: tuple[int, int] | None, align_corners: bool
) -> None:
    output = logits(shape)
    full = torch.nn.functional.interpolate(
        torch.from_numpy(output)[None], canvas or size, mode="bilinear", align_corners=align_corners
    )
    wanted = full.argmax(1)[0, : size[0], : size[1]].numpy()
    got = classes_of(output, size, align_corners, canvas)
    assert got.dtype == np.uint8
    assert (got != wanted).mean() < 0.002  # ties of rounding
    assert len(np.unique(wanted)) > 4


def test_they_are_evaluations() -> None:
    output = logits((16, 16))
    wanted = upsample_argmax(torch.from_numpy(output)[None], (120, 100), False, (128, 128))[0].numpy()
    assert (classes_of(output, (120, 100), False, (128, 128)) != wanted).mean() < 0.001


def test_a_files_own_classes_are_cropped_and_scaled() -> None:
    classes = np.arange(16, dtype=np.int64).reshape(4, 4)
    assert (classes_of(classes, (3, 4), canvas=(4, 4)) == classes[:3]).all()
    assert (classes_of(classes, (8, 8)) == classes.repeat(2, 0).repeat(2, 1)).all()
