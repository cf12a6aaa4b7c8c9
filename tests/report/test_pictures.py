"""The images that changed most, and what is drawn of them."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from qat.report.pictures import (
    LOST,
    OTHER,
    WIDEST,
    WON,
    ComparedPicture,
    data_uri,
    difference,
    draw,
    fitted,
    hatched,
    layers,
    worst_images,
)
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


HEIGHT, WIDTH = 8, 12


def batches(labelled: bool = True) -> Iterator[dict[str, Any]]:
    """Two batches of pictures whose value says how many pixels of them will change."""
    for values in ((3, 9), (0, 5)):
        image = torch.stack([torch.full((HEIGHT, WIDTH, 3), value, dtype=torch.uint8) for value in values])
        batch: dict[str, Any] = {"image": image, "name": [f"p{value}" for value in values]}
        yield batch | ({"label": torch.zeros(2, HEIGHT, WIDTH, dtype=torch.uint8)} if labelled else {})


def model(images: Tensor) -> Tensor:
    """Class 1 in as many of the first pixels as the picture's value says, else class 0."""
    logits = torch.zeros(len(images), 2, HEIGHT, WIDTH)
    for one, image in zip(logits, images, strict=True):
        one[1].view(-1)[: int(image[0, 0, 0])] = 1.0
        one[0].view(-1)[int(image[0, 0, 0]) :] = 1.0
    return logits


def reference(names: Sequence[str]) -> Tensor:
    return torch.cat([torch.ones(len(names), 1, HEIGHT, WIDTH), torch.zeros(len(names), 1, HEIGHT, WIDTH)], 1)


def worst(
    count: int, labelled: bool = True, steps: list[int] | None = None
) -> tuple[list[ComparedPicture], list[float]]:
    return worst_images(
        model,
        batches(labelled),
        count,
        to_input=lambda images: images,
        reference=reference,
        align_corners=False,
        progress=(steps if steps is not None else []).append,
    )


def test_the_most_changed_come_first_and_every_share_is_kept() -> None:
    steps: list[int] = []
    found, shares = worst(2, steps=steps)
    assert [shown.name for shown in found] == ["p9", "p5"]
    assert shares == pytest.approx([value / (HEIGHT * WIDTH) for value in (3, 9, 0, 5)])
    assert found[0].changed == shares[1]
    assert steps == [2, 2]


def test_an_image_comes_with_its_own_classes_and_label() -> None:
    (shown,), _ = worst(1)
    assert shown.image[0, 0, 0] == (shown.after == 1).sum() == 9
    assert not shown.before.any()
    assert shown.truth is not None
    assert shown.truth.shape == shown.after.shape == (HEIGHT, WIDTH)


def test_labels_arent_needed_and_more_than_there_are_is_all() -> None:
    found, _ = worst(10, labelled=False)
    assert [shown.name for shown in found] == ["p9", "p5", "p3", "p0"]
    assert all(shown.truth is None for shown in found)
