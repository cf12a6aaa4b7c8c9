"""A network of another task than the labels are for is one line."""

from __future__ import annotations

import pytest

from qat.config import load_config
from qat.errors import UserError
from qat.workflow import calibrate, compile, debug, evaluate, handover

COMMANDS = {"calib": calibrate, "compile": compile, "debug": debug, "eval": evaluate}


@pytest.mark.parametrize("command", COMMANDS)
def test_labels_that_the_task_has_not_are_named_before_anything_is_written(command: str, tmp_path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.chdir(tmp_path)
    config = load_config("streets/pidnet_s", ["MODEL.NAME", "litehrnet18"])
    with pytest.raises(
        UserError, match=r"litehrnet18 is a network for keypoints and .* streets has labels of pixels; "
    ):
        COMMANDS[command](config)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["calib", "eval"])
@pytest.mark.parametrize(
    ("config", "name", "held"), [("streets/pidnet_s", "yolov5n", "pixels"), (None, "pidnet_s", "boxes")]
)
def test_labels_of_another_task(command: str, config, name: str, held: str, tmp_path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.chdir(tmp_path)
    dataset = "streets" if held == "pixels" else "streets_objects"
    cfg = load_config(config, ["MODEL.NAME", name, "DATASET.DATASET", dataset, "TEST.MODEL_FILE", "none.pt"])
    with pytest.raises(UserError, match=f"network for .* and DATASET.DATASET {dataset} has labels of {held}; give"):
        COMMANDS[command](cfg)
    assert list(tmp_path.iterdir()) == []


def test_what_reads_classes_of_pixels_alone(tmp_path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.chdir(tmp_path)
    config = load_config("streets_objects/yolov5n_train")
    with pytest.raises(UserError, match=r"yolov5n is a network for detection, and .* takes segmentation"):
        handover(config)
    assert list(tmp_path.iterdir()) == []
