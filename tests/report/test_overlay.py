from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from qat.errors import UserError
from qat.report import overlay as pictures

PALETTE = np.array([[255, 0, 0], [0, 0, 200]], np.uint8)


def test_overlay_blends_each_class_and_leaves_void_alone() -> None:
    image = np.full((1, 3, 3), 100, np.uint8)
    blended = pictures.overlay(image, np.array([[0, 1, 255]], np.uint8), PALETTE, alpha=0.5)
    assert blended.tolist() == [[[178, 50, 50], [50, 50, 150], [100, 100, 100]]]


@pytest.mark.parametrize(("alpha", "expected"), [(0.0, [100, 100, 100]), (1.0, [255, 0, 0])])
def test_overlay_at_the_ends_is_the_image_or_the_colour(alpha: float, expected: list[int]) -> None:
    image = np.full((2, 2, 3), 100, np.uint8)
    assert (pictures.overlay(image, np.zeros((2, 2), np.uint8), PALETTE, alpha) == expected).all()


def test_overlay_refuses_another_size() -> None:
    with pytest.raises(UserError, match=r"image is \(4, 6\), classes are \(2, 3\)"):
        pictures.overlay(np.zeros((4, 6, 3), np.uint8), np.zeros((2, 3), np.uint8), PALETTE)


def test_panel_puts_pictures_side_by_side_under_their_titles() -> None:
    left, right = (np.full((20, 90, 3), value, np.uint8) for value in (10, 200))
    joined = pictures.panel([("float", left), ("int_infer", right)], gap=5)
    assert joined.shape == (20 + pictures.LINE, 90 + 5 + 90, 3)
    assert (joined[pictures.LINE :, :90] == left).all()
    assert (joined[pictures.LINE :, 95:] == right).all()
    for title in (joined[: pictures.LINE, :90], joined[: pictures.LINE, 95:]):
        assert title.min() < 100 < title.max()


@pytest.mark.parametrize("width", [60, 300])
def test_legend_shows_every_class_in_its_colour_at_any_width(width: int) -> None:
    strip = pictures.legend(["road", "car"], PALETTE, width)
    assert strip.shape[1] == width
    assert strip.shape[0] == (2 if width == 60 else 1) * pictures.LINE
    for colour in PALETTE:
        assert (strip == colour).all(-1).sum() > 100


def test_legend_stands_below_the_picture() -> None:
    picture = np.full((30, 200, 3), 7, np.uint8)
    both = pictures.with_legend(picture, ["road", "car"], PALETTE)
    assert (both[:30] == picture).all()
    assert (both[30:] == pictures.legend(["road", "car"], PALETTE, 200)).all()


def test_saved_pictures_are_rgb(tmp_path: Path) -> None:
    picture = np.tile(PALETTE[:1], (4, 5, 1))
    pictures.save(tmp_path / "new" / "a.png", picture)
    stored = cv2.imread(str(tmp_path / "new" / "a.png"))
    assert (stored[..., ::-1] == picture).all()


@pytest.mark.parametrize("name", ["a", "a.xyz"])
def test_an_unknown_kind_of_picture_is_an_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match=r"expected a name that ends in \.png or \.jpg"):
        pictures.save(tmp_path / name, np.zeros((2, 2, 3), np.uint8))
    assert not list(tmp_path.iterdir())
