from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from qat.report.worst import ComparedPicture, worst_images

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
