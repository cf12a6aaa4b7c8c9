"""Every kind of data set can travel to a worker, which is a process of its own."""

from __future__ import annotations

import pickle
import subprocess
import sys
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


SCRIPT = """
from qat.data.loading import data_loader
from torch.utils.data import Dataset
print("started")
class Squares(Dataset):
    def __len__(self):
        return 3
    def __getitem__(self, index):
        return {"name": str(index), "value": index * index}
"""
OF_THE_PACKAGE = """
from tests.data.test_loading import Heir
print(len(list(data_loader(Heir(), 1, 2))))
"""
OF_THE_SCRIPT = """
if __name__ == "__main__":
    print([int(batch["value"]) for batch in data_loader(Squares(), 1, 2)])
"""


def printed(script: str, folder: Path) -> list[str]:
    (folder / "script.py").write_text(SCRIPT + script)
    done = subprocess.run([sys.executable, folder / "script.py"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split("\n")[:-1]


def test_a_script_without_a_guard_runs_once(tmp_path: Path) -> None:
    assert printed(OF_THE_PACKAGE, tmp_path) == ["started", "1"]


def test_a_script_may_define_its_own_data_set(tmp_path: Path) -> None:
    assert printed(OF_THE_SCRIPT, tmp_path)[-1] == "[0, 1, 4]"
