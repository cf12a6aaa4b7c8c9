"""Commands on a network that takes no time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.networks import TINY, registered, tiny_weights

CONFIG = "streets/pidnet_s"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """-c CONFIG KEY VALUE ... of a run of the tiny network on two generated pictures a split."""
    folder = tmp_path_factory.mktemp("tiny")
    values = {
        "NAME": "tiny",
        "MODEL.NAME": TINY.name,
        "TEST.MODEL_FILE": tiny_weights(folder / "tiny.safetensors", num_classes=19),
        "OUTPUT_DIR": folder / "output",
        "LOG_DIR": folder / "log",
        "DATASET.ROOT": folder / "data",
        "DATASET.STREETS_TRAIN": 2,
        "DATASET.STREETS_VAL": 2,
        "QUANT.CALIB_IMAGES": 1,
        "QUANT.HELD_OUT_IMAGES": 1,
        "QUANT.OBSERVER": "min_max",
        "DEVICE": "cpu",
        "WORKERS": 0,
    }
    with registered(TINY):
        yield ["-c", CONFIG, *(str(part) for pair in values.items() for part in pair)]
