"""A file with facts: the tiny network of the runtimes' tests, for pictures of 30x44 that are padded to 32x48."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import onnx

from tests.runtimes.tiny import SHAPE, write_onnx

FACTS: dict[str, Any] = {
    "task": "segmentation",
    "network": "tiny",
    "input": {"height": SHAPE[2], "width": SHAPE[3], "channels": 3, "type": "float", "batch": 1},
    "fit": "pad",
    "picture": {"height": 30, "width": 44},
    "classes": ["road", "car", "bus", "sky", "tree"],
    "palette": [[128, 64, 128], [0, 0, 142], [0, 60, 100], [70, 130, 180], [107, 142, 35]],
    "mean": [0.5, 0.5, 0.5],
    "std": [0.25, 0.25, 0.25],
    "align_corners": False,
    "form": "float",
    "parameters": 1234,
    "macs": 56789,
}


def texts(**changed: Any) -> dict[str, str]:
    """The facts as a file keeps them."""
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in {**FACTS, **changed}.items()}


def write_file(path: Path, **changed: Any) -> Path:
    model = onnx.load(write_onnx(path))
    onnx.helper.set_model_props(model, texts(**changed))
    onnx.save(model, path)
    return path
