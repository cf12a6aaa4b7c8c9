from __future__ import annotations

from types import ModuleType

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import qat
from qat.data.transforms import (
    InferenceTransform,
    Normaliser,
    artefact_input,
    by_arithmetic,
    centred_yuv_to_rgb,
    normalise,
    resized,
    rgb_to_centred_yuv,
)
from tests.contracts.fixture import stand_in
from tests.gpu import needs_gpu

RNG = np.random.default_rng(0)
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
EVERY_VALUE = torch.arange(256, dtype=torch.uint8).reshape(1, 16, 16, 1).repeat(2, 1, 1, 3)
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
IMAGES = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, 16, 24, 3), np.uint8))
SAME = {"width": 24, "height": 16}
__all__ = ["stand_in"]

COLOURS = {  # RGB -> centred YUV of full swing, by BT.601
    (0, 0, 0): (-128, 0, 0),
    (255, 255, 255): (127, 0, 0),
    (128, 128, 128): (0, 0, 0),
    (255, 0, 0): (-52, -43, 127),
    (0, 255, 0): (22, -84, -107),
    (0, 0, 255): (-99, 127, -21),
}


def test_pixels_stay_as_they_are() -> None:
    image, label = RNG.integers(0, 256, (4, 6, 3), np.uint8), RNG.integers(0, 19, (4, 6), np.uint8)
    sample = InferenceTransform()(image, label, RNG)
    assert {key: (value.dtype, value.shape) for key, value in sample.items()} == {
        "image": (torch.uint8, (4, 6, 3)),
        "label": (torch.uint8, (4, 6)),
    }
    np.testing.assert_array_equal(sample["image"], image)
    np.testing.assert_array_equal(sample["label"], label)


def test_no_label_is_left_out() -> None:
    assert set(InferenceTransform()(np.zeros((2, 2, 3), np.uint8), None, RNG)) == {"image"}


def reference(images: torch.Tensor) -> np.ndarray:
    return ((images.numpy().astype(np.float64) / 255 - MEAN) / STD).astype(np.float32).transpose(0, 3, 1, 2)


def test_every_value_of_every_channel_is_exact() -> None:
    result = normalise(EVERY_VALUE, MEAN, STD)
    assert result.dtype == torch.float32
    np.testing.assert_array_equal(result.numpy(), reference(EVERY_VALUE))


def test_the_device_path_agrees_to_1e_6() -> None:
    np.testing.assert_allclose(by_arithmetic(EVERY_VALUE, MEAN, STD).numpy(), reference(EVERY_VALUE), rtol=0, atol=1e-6)


@pytest.mark.parametrize("way", [normalise, by_arithmetic])
def test_strides_are_channels_last(way: object) -> None:
    result = way(EVERY_VALUE, MEAN, STD)  # type: ignore[operator]
    assert result.shape == (2, 3, 16, 16)
    assert result.is_contiguous(memory_format=torch.channels_last)


def test_a_view_is_normalised_as_its_copy() -> None:
    images = torch.randint(0, 256, (3, 9, 20, 3), dtype=torch.uint8)
    view = images[1:, ::2, 3:17]
    np.testing.assert_array_equal(normalise(view, MEAN, STD).numpy(), reference(view))


def test_an_earlier_result_is_used_again_where_it_fits() -> None:
    first = normalise(EVERY_VALUE, MEAN, STD)
    memory = first.data_ptr()
    second = normalise(255 - EVERY_VALUE, MEAN, STD, out=first)
    assert second.data_ptr() == memory
    np.testing.assert_array_equal(second.numpy(), reference(255 - EVERY_VALUE))
    smaller = normalise(EVERY_VALUE[:1], MEAN, STD, out=second)
    np.testing.assert_array_equal(smaller.numpy(), reference(EVERY_VALUE[:1]))
    np.testing.assert_array_equal(second.numpy(), reference(255 - EVERY_VALUE))
    planar = normalise(EVERY_VALUE, MEAN, STD, out=torch.empty(2, 3, 16, 16))
    np.testing.assert_array_equal(planar.numpy(), reference(EVERY_VALUE))


def test_the_normaliser_keeps_one_buffer() -> None:
    to_input = Normaliser(MEAN, STD)
    memory = to_input(EVERY_VALUE).data_ptr()
    again = to_input(255 - EVERY_VALUE)
    assert again.data_ptr() == memory
    np.testing.assert_array_equal(again.numpy(), reference(255 - EVERY_VALUE))


@pytest.mark.gpu
@needs_gpu
def test_cuda_agrees_with_the_cpu() -> None:
    result = normalise(EVERY_VALUE, MEAN, STD, "cuda")
    assert result.is_cuda
    np.testing.assert_allclose(result.cpu().numpy(), reference(EVERY_VALUE), rtol=0, atol=1e-6)


def test_normalised_floats_as_every_stage_gets_them() -> None:
    given = artefact_input(SAME | {"type": "float"}, MEAN, STD)(IMAGES)
    assert given.is_contiguous()
    torch.testing.assert_close(given, normalise(IMAGES, MEAN, STD), rtol=0, atol=0)


def test_raw_pixels_stay_what_they_are() -> None:
    given = artefact_input(SAME | {"type": "uint8"}, MEAN, STD)(IMAGES)
    assert given.is_contiguous()
    assert given.dtype == torch.uint8
    np.testing.assert_array_equal(given.permute(0, 2, 3, 1), IMAGES)


def test_the_boards_camera() -> None:
    given = artefact_input(SAME | {"source": "pyramid"}, MEAN, STD)(IMAGES)
    torch.testing.assert_close(given, rgb_to_centred_yuv(IMAGES.permute(0, 3, 1, 2).float()), rtol=0, atol=0)


@pytest.mark.parametrize("kind", ["float", "uint8"])
def test_pictures_of_another_size_are_scaled(kind: str) -> None:
    given = artefact_input({"width": 12, "height": 40, "type": kind}, MEAN, STD)
    scaled = torch.from_numpy(np.stack([cv2.resize(image, (12, 40)) for image in IMAGES.numpy()]))
    wanted = artefact_input({"width": 12, "height": 40, "type": kind}, MEAN, STD)(scaled)
    assert given(IMAGES).shape == (2, 3, 40, 12)
    torch.testing.assert_close(given(IMAGES), wanted, rtol=0, atol=0)


def test_pictures_of_the_same_size_are_not_copied() -> None:
    assert resized(IMAGES, [24, 16]) is IMAGES


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
