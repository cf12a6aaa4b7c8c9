"""`rtseg-qat new`: a ready config and descriptor from a network and folders of pictures and labels."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from qat.cli.main import main
from qat.config import load_config
from qat.data.classes_seen import guess_classes
from qat.data.descriptor_file import read_descriptor
from qat.errors import UserError
from qat.workflow.new_run import new_run
from tests.models.onnx.exported import Convolutional, export
from tests.networks import TINY, TinyNet, registered
from tests.workflow.dots import write_pictures

NET = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU())
        self.head = nn.Conv2d(8, classes, 1)

    def forward(self, x):
        early = self.body(x)
        return {"features": early, "classes": self.head(early)}

def build(classes=2):
    return Net(classes)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_pictures(tmp_path / "dots")
    (tmp_path / "net.py").write_text(NET)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_what_it_writes_runs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = ["new", "--model", "net.py:build", "--images", "dots/images", "--labels", "dots/masks", "DEVICE", "cpu"]
    assert main(made) == 0
    said = capsys.readouterr().out
    assert "network: net.py:build, logits of 2 classes at 1/2, pictures' sides are multiples of 2" in said
    assert "outputs: features: (1, 8, 64, 64), classes: (1, 2, 64, 64); the logits are classes" in said
    assert "guessed: MODEL.OUTPUT classes is the logits" in said
    assert "pictures: 5 (3 for train, 2 for val), of 5 read: 128x64 (5)" in said
    assert re.search(r"values with their shares .* 0 \(class_0\) 9\d\.\d\d% in 5, 1 \(class_1\) \d\.\d\d% in 5", said)
    assert "wrote build.yaml, dots.yaml" in said
    config, descriptor = load_config("build.yaml"), read_descriptor("dots.yaml")
    assert (config.MODEL.OUTPUT, config.TEST.IMAGE_SIZE, config.DEVICE) == ("classes", [128, 64], "cpu")
    assert [one.ids for one in descriptor.classes] == [(0,), (1,)]
    for command in (["check"], ["calib"], ["eval", "--stage", "int_infer"]):
        assert main([command[0], "-c", "build.yaml", "WORKERS", "0", *command[1:]]) == 0
    assert main(["train", "-c", "build.yaml", "WORKERS", "0", "TRAIN.END_EPOCH", "1"]) == 0
    assert main(made) == 2
    assert "build.yaml is there already and isn't overwritten" in capsys.readouterr().err


def test_a_registered_network_takes_its_classes_from_its_checkpoint(folder: Path) -> None:
    torch.manual_seed(0)
    save_file(TinyNet(7, aux=True).state_dict(), folder / "w.safetensors")
    options = ["TEST.MODEL_FILE", "w.safetensors", "WORKERS", "0"]
    with registered(TINY):
        made = new_run(model="tiny", images="dots/images", labels="dots/masks", output="runs", options=options)
        assert made.config == Path("runs/tiny.yaml")
        assert load_config(made.config).DATASET.NUM_CLASSES == 7
        assert "classes in none of these files: class_2, class_3, class_4, class_5, class_6" in made.found
        assert main(["eval", "-c", "runs/tiny.yaml"]) == 0


def test_an_onnx_file_and_pictures_alone(folder: Path) -> None:
    export(Convolutional(), folder / "net.onnx")
    images = folder / "dots" / "images" / "train"
    made = new_run(model="net.onnx", images=images)
    config = load_config(made.config)
    assert (config.DATASET.NUM_CLASSES, config.MODEL.OUTPUT) == (5, "out")
    assert [path.name for path in made.lists] == ["train_train.txt", "train_val.txt"]
    assert "labels: none; every stage is measured by its distance from float" in made.found
    assert "the folders have no train and val: every fifth picture is for val" in made.guessed
    assert main(["calib", "-c", str(made.config), "WORKERS", "0", "DEVICE", "cpu"]) == 0


def test_names_that_differ_go_into_lists_and_masks_of_255_are_a_class(folder: Path) -> None:
    for path in sorted((folder / "dots" / "images").rglob("*.png")):
        frame = path.with_name(f"{path.stem} b_rgb.png")
        path.rename(frame)
        mask = folder / "dots" / "masks" / path.relative_to(folder / "dots" / "images")
        cv2.imwrite(str(mask.with_name(f"{path.stem} b_mask.png")), 255 * cv2.imread(str(mask), cv2.IMREAD_UNCHANGED))
        mask.unlink()
    made = new_run(model="net.py:build", images="dots/images", labels="dots/masks")
    assert [len(path.read_text().splitlines()) for path in made.lists] == [3, 2]
    assert [one.ids for one in read_descriptor(made.descriptor).classes] == [(0,), (255,)]
    assert main(["eval", "-c", str(made.config), "WORKERS", "0", "DEVICE", "cpu"]) == 0


def test_classes_that_don_t_fit_are_one_line_and_nothing_is_written(folder: Path) -> None:
    cv2.imwrite("dots/masks/val/0.png", np.resize(np.array([0, 1, 2, 9], np.uint8), (64, 128)))
    folders = {"model": "net.py:build", "images": "dots/images", "labels": "dots/masks"}
    output = ["MODEL.OUTPUT", "classes"]
    with pytest.raises(UserError, match=r"labels hold 4 values \(0, 1, 2, 9\) and the network gives 2 classes; give"):
        new_run(**folders, options=output)
    assert sorted(path.name for path in folder.iterdir()) == ["dots", "net.py"]
    made = new_run(**folders, options=[*output, "MODEL.KWARGS", "{classes: 4}"])
    assert [one.ids for one in read_descriptor(made.descriptor).classes] == [(0,), (1,), (2,), (9,)]


GUESSES = {
    "train ids": ([0, 1, 255], 5, [(0,), (1,), (2,), (3,), (4,)], ()),
    "values in order": ([3, 7, 255], 2, [(3,), (7,)], ()),
    "255 is a class": ([0, 255], 2, [(0,), (255,)], ()),
    "a free number": ([0, 4, 255], None, [(0,), (4,)], ()),
    "no labels": ([], 2, [(0,), (1,)], ()),
}


@pytest.mark.parametrize("case", GUESSES)
def test_classes_are_guessed(case: str) -> None:
    values, count, classes, void = GUESSES[case]
    guess = guess_classes(values, count)
    assert [ids for _, ids in guess.classes] == classes
    assert guess.void == void


def test_ids_of_a_known_data_set_are_known() -> None:
    guess = guess_classes([0, 3, 7, 8, 26, 33], 19, [read_descriptor("cityscapes")])
    assert dict(guess.classes)["road"] == (7,)
    assert guess.colours[0] == (128, 64, 128)
    assert 3 in guess.void


def test_pictures_of_five_channels_have_their_own_levels(folder: Path) -> None:
    for path in sorted((folder / "dots" / "images").rglob("*.png")):
        np.save(path.with_suffix(".npy"), np.full((64, 128, 5), 51, np.uint8))
        path.unlink()
    (folder / "net.py").write_text(NET.replace("nn.Conv2d(3,", "nn.Conv2d(5,"))
    made = new_run(model="net.py:build", images="dots/images", labels="dots/masks")
    config = load_config(made.config)
    assert (config.DATASET.MEAN, config.DATASET.STD) == ([0.2] * 5, [0.001] * 5)
    assert main(["eval", "-c", str(made.config), "WORKERS", "0", "DEVICE", "cpu"]) == 0
