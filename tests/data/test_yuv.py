"""Centred YUV444 and back: known colours, the ranges of both swings, and the round trip of every picture."""

from __future__ import annotations

from types import ModuleType

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import qat
from qat.data.yuv import centred_yuv_to_rgb, rgb_to_centred_yuv
from tests.contracts.fixture import stand_in

__all__ = ["stand_in"]

COLOURS = {  # RGB -> centred YUV of full swing, by BT.601
    (0, 0, 0): (-128, 0, 0),
    (255, 255, 255): (127, 0, 0),
    (128, 128, 128): (0, 0, 0),
    (255, 0, 0): (-52, -43, 127),
    (0, 255, 0): (22, -84, -107),
    (0, 0, 255): (-99, 127, -21),
}


def picture(*pixels: tuple[int, ...]) -> torch.Tensor:
    return torch.tensor(pixels, dtype=torch.float32).T.reshape(1, 3, 1, -1)


@pytest.mark.parametrize(("rgb", "yuv"), COLOURS.items(), ids=str)
def test_known_colours(rgb: tuple[int, ...], yuv: tuple[int, ...]) -> None:
    assert torch.equal(rgb_to_centred_yuv(picture(rgb), "full"), picture(yuv))


def cube() -> torch.Tensor:
    levels = torch.arange(0, 256, 5, dtype=torch.float32)
    return torch.stack(torch.meshgrid(levels, levels, levels, indexing="ij")).reshape(1, 3, 1, -1)


@pytest.mark.parametrize(
    ("swing", "low", "high"), [("full", (-128,) * 3, (127,) * 3), ("studio", (-112,) * 3, (107, 112, 112))]
)
def test_the_range_of_a_swing(swing: str, low: tuple[int, ...], high: tuple[int, ...]) -> None:
    yuv = rgb_to_centred_yuv(cube(), swing)
    assert tuple(yuv.amin((0, 2, 3)).tolist()) == low
    assert tuple(yuv.amax((0, 2, 3)).tolist()) == high


@pytest.mark.parametrize("swing", ["full", "studio"])
@given(pixels=st.lists(st.tuples(*[st.integers(0, 255)] * 3), min_size=1, max_size=8))
def test_the_round_trip_loses_rounding_only(swing: str, pixels: list[tuple[int, ...]]) -> None:
    rgb = picture(*pixels)
    back = centred_yuv_to_rgb(rgb_to_centred_yuv(rgb, swing), swing)
    assert (back - rgb).abs().max() < 2


def test_the_other_swing_is_not_a_round_trip() -> None:
    back = centred_yuv_to_rgb(rgb_to_centred_yuv(cube(), "studio"), "full")
    assert (back - cube()).abs().max() > 10


@pytest.mark.parametrize("swing", ["full", "studio"])
def test_the_plugins_formula_agrees(stand_in: ModuleType, swing: str) -> None:
    yuv = rgb_to_centred_yuv(cube(), swing)
    theirs = stand_in.functional.centered_yuv2rgb(yuv, swing, [128.0], [128.0], 1 / 128) * 128 + 128
    assert (theirs - centred_yuv_to_rgb(yuv, swing)).abs().max() <= 1


def test_an_unknown_swing() -> None:
    with pytest.raises(qat.UserError, match="unknown swing ful; did you mean full"):
        rgb_to_centred_yuv(cube(), "ful")
