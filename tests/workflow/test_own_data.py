"""The README's own data set: a folder of pictures and masks, by a descriptor of six lines, through a stage."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from qat.config import load_config
from qat.data import read_descriptor
from qat.models import build_model
from qat.workflow.evaluation import evaluate

README = Path(__file__).resolve().parents[2] / "README.md"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        for kind, picture in (
            ("images", rng.integers(0, 256, (64, 128, 3))),
            ("masks", np.tile([[0, 255]], (64, 64))),
        ):
            path = tmp_path / "data" / kind / split / "a.png"
            path.parent.mkdir(parents=True)
            cv2.imwrite(str(path), picture.astype(np.uint8))
    example = README.read_text().split("```yaml\n")[1].split("```")[0]
    (tmp_path / "data" / "potholes.yaml").write_text(example)
    return tmp_path


def test_the_readme_s_data_set_is_evaluated(folder: Path) -> None:
    torch.save(build_model("pidnet_s", num_classes=2).state_dict(), folder / "w.pt")
    pairs = {
        "DATASET.DATASET": folder / "data" / "potholes.yaml",
        "TEST.MODEL_FILE": folder / "w.pt",
        "TEST.IMAGE_SIZE": "128,64",
        "OUTPUT_DIR": folder / "out",
        "WORKERS": 0,
    }
    config = load_config("streets/pidnet_s", [str(part) for pair in pairs.items() for part in pair])
    assert evaluate(config).folder == folder / "out" / "potholes" / "pidnet_s" / "float"
    found = json.loads((folder / "out/potholes/pidnet_s/float/metrics.json").read_text())
    assert set(found["class_iou"]) == {one.name for one in read_descriptor(folder / "data/potholes.yaml").classes}
    assert load_config(folder / "out/potholes/pidnet_s/float/config.yaml") == config
