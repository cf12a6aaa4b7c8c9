"""Interpolation between all sizes, with constant sizes and with factors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from qat.compile.onnx.resize import RESIZE, factor
from qat.compile.onnx.writer import Form
from tests.compile.small import file_of, kinds, run
from tests.networks import pictures

SIZES = st.tuples(st.integers(1, 40), st.integers(1, 40))
INTERPOLATION = {"antialias": False, "scale_factor": None}


@settings(deadline=None)
@given(st.integers(1, 5000), st.integers(1, 5000))
def test_the_factor_gives_the_size_and_is_next_to_the_ratio(old: int, new: int) -> None:
    value = factor(old, new)
    assert int(old * float(value)) == int(np.floor(np.float32(old) * value)) == new
    assert abs(float(value) - new / old) <= np.spacing(np.float32(new / old))


def resized(x: Tensor, size: tuple[int, int], mode: str, align: bool | None, form: Form) -> None:
    """Both of two pictures are as torch's."""
    old, new = (1, *x.shape[1:]), (1, x.shape[1], *size)
    model = file_of("interpolate", old, new, form, mode=mode, align_corners=align, **INTERPOLATION)
    for picture in [x] if form.dynamic_batch else x[:, None]:
        expected = F.interpolate(picture, size, mode=mode, align_corners=align)
        np.testing.assert_allclose(run(model, picture), expected, atol=1e-4)


@settings(deadline=None)
@given(st.sampled_from(sorted(RESIZE)), st.booleans(), st.booleans(), SIZES, SIZES)
def test_says_what_torch_says(
    mode: str, corners: bool, dynamic: bool, old: tuple[int, int], new: tuple[int, int]
) -> None:
    align = corners if mode == "bilinear" else None
    resized(pictures((2, 3, *old), 1)[0], new, mode, align, Form(18 if dynamic else 17, dynamic))


@settings(deadline=None)
@given(st.booleans(), SIZES, SIZES)
def test_by_factors(corners: bool, old: tuple[int, int], new: tuple[int, int]) -> None:
    resized(pictures((2, 3, *old), 1)[0], new, "bilinear", corners, Form(17, dynamic_batch=True))


@settings(deadline=None)
@given(st.sampled_from(["nearest", "nearest-exact"]), st.booleans(), SIZES, SIZES)
def test_nearest_with_an_open_batch(mode: str, whole: bool, old: tuple[int, int], new: tuple[int, int]) -> None:
    new = (old[0] * 3, old[1] * 2) if whole else new
    resized(pictures((2, 1, *old), 1)[0], new, mode, None, Form(17, dynamic_batch=True))


def test_whole_factors_are_resizes_and_others_indices() -> None:
    """From 14 to 2 Resize's factor of 2/14 puts the second pixel at 6.9999995 and takes 6 instead of 7."""
    nearest = {**INTERPOLATION, "mode": "nearest", "align_corners": None}
    assert kinds(file_of("interpolate", (1, 1, 4, 5), (1, 1, 8, 15), **nearest)) == ["Resize"]
    x = torch.arange(14.0).view(1, 1, 1, 14)
    model = file_of("interpolate", (1, 1, 1, 14), (1, 1, 1, 2), **nearest)
    assert kinds(model) == ["Gather", "Gather"]
    assert run(model, x).ravel().tolist() == [0, 7]


@pytest.mark.parametrize(
    "settings",
    [
        {"size": (2, 3), "mode": "bicubic"},
        {"size": (2, 3), "mode": "bilinear", "antialias": True},
        {"size": (9, 3), "mode": "bicubic", "antialias": True, "align_corners": False},
        {"scale_factor": 0.4, "mode": "bilinear"},
        {"scale_factor": (1.7, 0.6), "mode": "bicubic", "align_corners": False},
        {"scale_factor": (1.7, 0.6), "mode": "nearest"},
        {"size": (4, 5), "mode": "area"},
    ],
)
def test_what_resize_does_otherwise(settings: dict[str, Any]) -> None:
    x = pictures((1, 3, 6, 8), 1)[0]
    expected = F.interpolate(x, **settings)
    given = {**INTERPOLATION, "align_corners": None, **settings}
    model = file_of("interpolate", tuple(x.shape), tuple(expected.shape), **given)
    np.testing.assert_allclose(run(model, x), expected, atol=1e-5)


def test_a_wrong_mode_would_be_seen() -> None:
    x = pictures((1, 3, 6, 8), 1)[0]
    model = file_of("interpolate", (1, 3, 6, 8), (1, 3, 9, 9), mode="nearest", align_corners=None, **INTERPOLATION)
    assert not np.allclose(run(model, x), F.interpolate(x, (9, 9), mode="bilinear"), atol=1e-2)
    assert torch.equal(torch.from_numpy(run(model, x)), F.interpolate(x, (9, 9), mode="nearest"))
