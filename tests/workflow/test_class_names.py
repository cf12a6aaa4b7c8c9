"""A checkpoint that names classes is held against the data set's names."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from qat.models import build_model
from qat.workflow.class_names import hold_names, names_in
from tests.models.test_pickled import CLASSES, save_published


def test_other_names_or_another_order_are_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "best.pt"
    save_published(build_model("yolov5n", CLASSES), path)
    assert names_in(path) == ("car", "person", "dog")
    hold_names(path, ("Car", "person", "DOG"))
    assert caplog.text == ""
    for _ in range(2):
        hold_names(path, ("person", "car", "dog"))
    (line,) = caplog.messages
    assert "names class 0 'car', and the data set 'person' (2 of 3 differ)" in line


def test_a_state_dict_names_none(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    torch.save({"a": torch.zeros(1)}, tmp_path / "state.pt")
    hold_names(tmp_path / "state.pt", ("car",))
    hold_names(tmp_path / "weights.safetensors", ("car",))
    assert caplog.text == ""
