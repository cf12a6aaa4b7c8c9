"""Speed is measured on pictures of any number of classes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from qat.config import load_config
from qat.data import data_loader
from qat.errors import UserError
from qat.workflow.speed import FLOAT, INT8, bench, mosaic, street_mosaics
from tests.networks import TINY, registered, tiny_weights


@pytest.fixture(autouse=True)
def _tiny() -> Iterator[None]:
    with registered(TINY):
        yield


def options(folder: Path, classes: int) -> list[str]:
    values = {
        "MODEL.NAME": TINY.name,
        "TEST.MODEL_FILE": tiny_weights(folder / "tiny.safetensors", classes),
        "TEST.IMAGE_SIZE": "64,32",
        "DATASET.LABELS": "trainIds",
        "DATASET.NUM_CLASSES": classes,
        "WORKERS": 0,
    }
    return [str(part) for pair in values.items() for part in pair]


@pytest.mark.parametrize("classes", [3, 11, 40])
def test_any_number_of_classes(tmp_path: Path, classes: int) -> None:
    """It once wanted the 19 of Cityscapes."""
    moves: list[tuple[int, int]] = []
    config = load_config(None, options(tmp_path, classes))
    done = bench(config, lambda now, total, text: moves.append((now, total)), rounds=1, images=2)
    assert done.forwards[0].name == FLOAT
    assert all(form.min_ms > 0 for form in done.forwards)
    assert (done.network, done.size, done.images) == ("tiny", (64, 32), 2)
    alone = next(form.median_ms for form in done.forwards if form.name == INT8)
    assert done.eval_over_forward == pytest.approx(done.eval_ms / alone)
    assert moves[-1] == (20, 20)  # one timed round and three before it, of five forms


def test_pictures_hold_every_class_that_fits(tmp_path: Path) -> None:
    config = load_config(None, options(tmp_path, 3))
    sample = street_mosaics(config, tmp_path / "pictures", 1)[0]
    assert sample["image"].shape == (32, 64, 3)
    assert set(sample["label"].unique().tolist()) <= {0, 1, 2}


def test_workers_read_them(tmp_path: Path) -> None:
    pictures = street_mosaics(load_config(None, options(tmp_path, 3)), tmp_path / "pictures", 2)
    (own,), (worker,) = (list(data_loader(pictures, 2, workers)) for workers in (0, 1))
    assert (own["label"] == worker["label"]).all()


def test_a_mosaic_repeats_the_streets() -> None:
    picture, label = mosaic((1100, 30), 0)
    assert picture.shape == (30, 1100, 3)
    assert (picture[:, :76] == picture[:, 1024:]).all()
    assert (label[:, :76] == label[:, 1024:]).all()


def test_numbers_below_one(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--rounds 0 --images 2; expected at least 1 of each"):
        bench(load_config(None), rounds=0, images=2)
