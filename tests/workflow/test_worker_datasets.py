"""Every kind of data set can travel to a worker, which is a process of its own."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
import torch

from qat.config import load_config
from qat.data import build_dataset
from qat.data.transforms import InferenceTransform
from qat.resources import find_config
from qat.workflow.settings import data_spec, training_transform

CONFIGS = (
    "streets/pidnet_s",
    "streets_objects/yolov5n",
    "streets_crops/mnasnet0_5",
    "streets_persons/litehrnet18",
)


def equal(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(
        torch.equal(value, other[name]) if isinstance(value, torch.Tensor) else True for name, value in one.items()
    )


@pytest.mark.parametrize("name", CONFIGS)
def test_pictures_of_each_task(name: str, tmp_path: Path) -> None:
    few = ["DATASET.ROOT", str(tmp_path), "DATASET.STREETS_TRAIN", "1", "DATASET.STREETS_VAL", "1"]
    config = load_config(find_config(name), few)
    for transform in (training_transform(config), InferenceTransform()):
        dataset = build_dataset(data_spec(config), "train", transform)
        assert equal(pickle.loads(pickle.dumps(dataset))[0], dataset[0])
