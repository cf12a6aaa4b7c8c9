"""Labels by colour, and CamVid as the official PIDNet has it: its YAML file, its lists, its places."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from qat.cli.main import main
from qat.config import load_config
from qat.data import build_dataset, read_descriptor
from qat.data.descriptor import IGNORE
from qat.data.label_counts import require_classes
from qat.data.transforms import InferenceTransform
from qat.errors import UserError
from qat.workflow.settings import data_spec
from tests.data.conftest import save
from tests.networks import TINY, registered, tiny_weights

OFFICIAL = """
GPUS: (0,1)
DATASET:
  DATASET: camvid
  ROOT: data/
  TEST_SET: 'list/camvid/val.lst'
  TRAIN_SET: 'list/camvid/trainval.lst'
  NUM_CLASSES: 11
MODEL:
  NAME: pidnet_small
"""
CLASSES = read_descriptor("camvid_pidnet").classes


@pytest.fixture
def label(tmp_path: Path) -> Path:
    """The official places with one picture, whose label has every class, an ignored colour, and a class again."""
    (tmp_path / "official.yaml").write_text(OFFICIAL)
    lists = tmp_path / "data" / "list" / "camvid"
    lists.mkdir(parents=True)
    for name in ("val", "trainval"):
        (lists / f"{name}.lst").write_text("images/a.png labels/a_L.png\n")
    colours = [one.colour for one in CLASSES] + [
        (64, 128, 192),
        CLASSES[0].colour,
        CLASSES[0].colour,
        (0, 0, 0),
        (0, 0, 0),
    ]
    rgb = np.array(colours, np.uint8).reshape(4, 4, 3)
    save(tmp_path / "data/camvid/images/a.png", np.zeros((4, 4, 3), np.uint8))
    return save(tmp_path / "data/camvid/labels/a_L.png", np.ascontiguousarray(rgb[:, :, ::-1]))


def test_the_official_file_reads_labels_by_colour_in_its_own_order(label: Path) -> None:
    config = load_config("official.yaml")
    assert config.DATASET.DATASET == "camvid_pidnet"
    for split in ("train", "val"):
        dataset = build_dataset(data_spec(config), split, InferenceTransform())
        assert dataset[0]["label"].flatten().tolist() == [*range(11), IGNORE, 0, 0, IGNORE, IGNORE]
        assert dataset.class_names[:3] == ("Bicyclist", "Building", "Car")


def test_the_official_file_evaluates(label: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = ["MODEL.NAME", TINY.name, "TEST.MODEL_FILE", str(tiny_weights(tmp_path / "tiny.safetensors", 11))]
    few = ["TEST.IMAGE_SIZE", "[4, 4]", "WORKERS", "0", "DEVICE", "cpu", "OUTPUT_DIR", str(tmp_path / "output")]
    with registered(TINY):
        assert main(["eval", "-c", "official.yaml", *own, *few]) == 0
    assert "Class IoU: Bicyclist 0." in capsys.readouterr().out


def test_segnets_form_stays(label: Path) -> None:
    assert load_config(None, ["DATASET.DATASET", "camvid"]).DATASET.DATASET == "camvid"
    orders = [[one.name for one in read_descriptor(name).classes] for name in ("camvid", "camvid_pidnet")]
    assert orders[0] != orders[1]
    assert sorted(orders[0]) == sorted(orders[1])


def test_unknown_colours_are_named(label: Path) -> None:
    pixels = cv2.imread(str(label))
    pixels[0, :3] = (3, 2, 1)
    pixels[1, 0] = (9, 9, 9)
    save(label, pixels)
    dataset = build_dataset(data_spec(load_config("official.yaml")), "val", InferenceTransform())
    says = r"a_L\.png has the colours \[1, 2, 3\] \(3 pixels\), \[9, 9, 9\] \(1\), which mean no class"
    with pytest.raises(UserError, match=says):
        dataset[0]


def test_a_label_of_void_alone_counts_for_nothing(label: Path) -> None:
    save(label, np.zeros((4, 4, 3), np.uint8))
    dataset = build_dataset(data_spec(load_config("official.yaml")), "val", InferenceTransform())
    with pytest.raises(UserError, match="every pixel of the 1 labels of val is ignored"):
        require_classes(dataset, [0], "val")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("coloured: maybe", "coloured in .* is maybe; expected true or false"),
        ("coloured: true", "classes in .*: b has no colour; coloured: true needs one for each class"),
        ("void_colours: [[0, 0]]", "expected colours of red, green and blue"),
    ],
)
def test_a_wrong_descriptor(tmp_path: Path, text: str, says: str) -> None:
    base = "name: x\nsplits: {val: v.txt}\nclasses: [{name: a, colour: [1, 1, 1]}, b]\n"
    (tmp_path / "x.yaml").write_text(base + text)
    with pytest.raises(UserError, match=says):
        read_descriptor(tmp_path / "x.yaml")


def test_a_colour_that_is_there_twice(tmp_path: Path) -> None:
    classes = "[{name: a, colour: [1, 1, 1]}, {name: b, colour: [1, 1, 1]}]"
    (tmp_path / "x.yaml").write_text(f"name: x\nsplits: {{val: v.txt}}\ncoloured: true\nclasses: {classes}\n")
    with pytest.raises(UserError, match=r"has the colour \[1, 1, 1\] twice"):
        read_descriptor(tmp_path / "x.yaml")
