from __future__ import annotations

import base64

import cv2
import numpy as np
import pytest

from qat.report.pictures import LOST, OTHER, WIDEST, WON, data_uri, difference, draw, fitted, hatched, layers
from qat.report.worst import ComparedPicture
from tests.report.fakes import CLASSES, shown


def decoded(uri: str) -> np.ndarray:
    kind, _, data = uri.partition(",")
    assert kind == "data:image/jpeg;base64"
    return cv2.cvtColor(
        cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB
    )


@pytest.fixture
def judged() -> ComparedPicture:
    """Pixels that went wrong, that came right, that were and stay wrong, of void, and one that didn't change."""
    row = {"before": [0, 1, 1, 0, 0], "after": [1, 0, 2, 1, 0], "truth": [0, 0, 0, 255, 0]}
    rows = {key: np.array([value], np.uint8) for key, value in row.items()}
    return ComparedPicture("a", np.full((1, 5, 3), 90, np.uint8), rows["truth"], rows["before"], rows["after"])


def test_the_difference_says_what_the_change_did(judged: ComparedPicture) -> None:
    found = difference(judged)
    assert [mask[0].tolist().index(True) for mask in (found.lost, found.won)] == [0, 1]
    assert found.other[0].tolist() == [False, False, True, True, False]
    assert sum(found.shares) == pytest.approx(judged.changed)


def test_changed_pixels_are_coloured_and_the_rest_is_dark(judged: ComparedPicture) -> None:
    drawn = layers(judged, CLASSES.palette, difference(judged))["difference"]
    assert drawn[0].tolist() == [[*LOST], [*WON], [*OTHER], [*OTHER], [30, 30, 30]]


def test_without_labels_there_is_no_truth_and_no_verdict() -> None:
    found = draw(shown(truth=False), CLASSES.palette, "int_infer")
    assert [layer.key for layer in found.layers] == ["image", "float", "stage", "difference"]
    assert found.shares == (0, 0, found.changed)
    assert not found.labelled


def test_every_layer_is_a_picture_of_one_size() -> None:
    found = draw(shown(size=(40, 64)), CLASSES.palette, "calib")
    assert [layer.title for layer in found.layers] == ["Image", "Truth", "float", "calib", "Difference"]
    assert {decoded(layer.uri).shape for layer in found.layers} == {(40, 64, 3)}
    assert len({layer.uri for layer in found.layers}) == 5


def test_void_is_hatched_and_the_rest_untouched() -> None:
    picture = np.full((16, 16, 3), 200, np.uint8)
    void = np.zeros((16, 16), bool)
    void[8:] = True
    drawn = hatched(picture, void)
    assert (drawn[:8] == 200).all()
    assert set(drawn[8:].ravel().tolist()) == {50, 200}


def test_single_pixels_keep_their_colour() -> None:
    picture = np.full((32, 32, 3), 20, np.uint8)
    picture[16, 16] = LOST
    assert np.abs(decoded(data_uri(picture))[16, 16].astype(int) - LOST).max() < 60


@pytest.mark.parametrize(("width", "expected"), [(WIDEST // 2, WIDEST // 2), (2 * WIDEST, WIDEST)])
def test_wide_pictures_are_scaled_down(width: int, expected: int) -> None:
    assert fitted(np.zeros((width // 2, width, 3), np.uint8), WIDEST).shape == (expected // 2, expected, 3)
