"""Predictions of a split without labels, as Cityscapes' server takes them: found and read by its own scripts."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from qat.cli.main import main
from qat.config import load_config
from qat.data.image_io import read_image
from qat.errors import UserError
from qat.workflow.inference import classifier
from qat.workflow.submission import submit
from tests.networks import TINY, registered, tiny_weights

FRAMES = ("bonn/bonn_000000_000019", "mainz/mainz_000003_000019")
IDS = {7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33}


@pytest.fixture
def options(tmp_path: Path) -> Iterator[list[str]]:
    """KEY VALUE of the tiny network on a Cityscapes tree whose split test has no labels."""
    rng = np.random.default_rng(0)
    for frame in FRAMES:
        picture = tmp_path / "city" / "leftImg8bit" / "test" / f"{frame}_leftImg8bit.png"
        picture.parent.mkdir(parents=True)
        cv2.imwrite(str(picture), rng.integers(0, 256, (64, 128, 3), dtype=np.uint8))
    values = {
        "DATASET.DATASET": "cityscapes",
        "DATASET.ROOT": tmp_path / "city",
        "DATASET.TEST_SET": "test",
        "MODEL.NAME": TINY.name,
        "TEST.MODEL_FILE": tiny_weights(tmp_path / "tiny.safetensors", num_classes=19),
        "TEST.IMAGE_SIZE": "[128, 64]",
        "OUTPUT_DIR": tmp_path / "output",
        "WORKERS": 0,
        "DEVICE": "cpu",
    }
    with registered(TINY):
        yield [str(part) for pair in values.items() for part in pair]


def test_the_server_s_scripts_find_and_read_it(options: list[str], tmp_path: Path) -> None:
    official = pytest.importorskip("cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling")
    config = load_config("cityscapes/pidnet_s", options)
    done = submit(config, output=tmp_path / "mine.zip")
    with zipfile.ZipFile(done.archive) as parts:
        assert parts.namelist() == [f"{frame}_labelIds.png" for frame in FRAMES]
        parts.extractall(tmp_path / "server")
    classify = classifier(config, "float")
    for frame in FRAMES:
        label = tmp_path / "gtFine" / "test" / f"{frame}_gtFine_labelIds.png"
        arguments = SimpleNamespace(predictionPath=str(tmp_path / "server"), predictionWalk=None)
        found = cv2.imread(official.getPrediction(arguments, str(label)), cv2.IMREAD_UNCHANGED)
        expected = classify(read_image(tmp_path / "city" / "leftImg8bit" / "test" / f"{frame}_leftImg8bit.png", 3))
        ids = np.array(sorted(IDS), np.uint8)  # train ids follow the ids' order
        np.testing.assert_array_equal(found, ids[expected])


def test_the_command_overwrites_nothing(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["infer", "--submission", "-c", "cityscapes/pidnet_s", *options]
    assert main(arguments) == 0
    assert "2 pictures in " in capsys.readouterr().out
    archive = next(Path(options[options.index("OUTPUT_DIR") + 1]).rglob("float/submission.zip"))
    before = archive.read_bytes()
    assert main(arguments) == 2
    assert "submission.zip is there already; move it away, or give another file by --output" in capsys.readouterr().err
    assert archive.read_bytes() == before
    assert main([*arguments, "--logits"]) == 2
    assert main([*arguments, "--output", "folder"]) == 2
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "error: --submission and --logits are two things; give one of them"
    assert said[1] == "error: --output folder of a submission doesn't end in .zip; give a file that does"


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (["DATASET.DATASET", "camvid_pidnet", "DATASET.NUM_CLASSES", "11"], "say the class by its colour"),
        (["DATASET.NUM_CLASSES", "7", "DATASET.LABELS", "trainIds"], "is 7 and cityscapes has 19 classes with ids"),
    ],
    ids=["colours", "other classes"],
)
def test_labels_without_ids_are_refused(options: list[str], option: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        submit(load_config("cityscapes/pidnet_s", [*options, *option]))
