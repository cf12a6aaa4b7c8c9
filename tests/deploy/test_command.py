"""`python -m qat.deploy`: what is drawn is what the stages' own code says, and mistakes are one line."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

pytest.importorskip("onnxruntime", reason="needs the extra: runtimes")

from qat.data.fit import Fit
from qat.data.transforms import network_input
from qat.deploy.bench import thread_counts
from qat.deploy.command import main
from qat.deploy.facts import facts_of
from qat.deploy.model import open_model
from qat.deploy.tasks import task_of
from qat.errors import UserError
from qat.evaluation.tasks import Frame, find_task
from tests.deploy.files import FACTS, write_file
from tests.runtimes.tiny import expected

PICTURE = np.random.default_rng(5).integers(0, 256, (60, 88, 3), np.uint8)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    (tmp_path / "pictures").mkdir()
    for name in ("a.png", "a.bmp", "b.png"):
        cv2.imwrite(str(tmp_path / "pictures" / name), PICTURE[:, :, ::-1])
    return tmp_path / "pictures"


def test_a_picture_gets_the_classes_that_the_stages_give_it(tmp_path: Path) -> None:
    fit = Fit("pad", 16, (30, 44))
    x = network_input(torch.from_numpy(PICTURE)[None], FACTS["mean"], FACTS["std"], fit)
    frame = Frame((60, 88), fit.canvas((60, 88)))
    wanted = find_task("segmentation").predict(torch.from_numpy(expected(x.numpy(), quantised=False)), frame)[0].numpy()
    found = open_model(write_file(tmp_path / "model.onnx")).run(PICTURE)
    assert (found != wanted).mean() < 0.002
    assert 0.05 < (wanted == 0).mean() < 0.95


def test_every_picture_is_drawn_under_a_name_of_its_own(
    tmp_path: Path, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_file(tmp_path / "model.onnx")
    assert main([str(tmp_path / "model.onnx"), str(pictures), "--output", str(tmp_path / "drawn")]) == 0
    assert sorted(path.name for path in (tmp_path / "drawn").iterdir()) == ["a.bmp.png", "a.png.png", "b.png"]
    said = capsys.readouterr().out
    assert "3 pictures in ort; median ms of each: read" in said
    assert "%" in said.splitlines()[0]


def test_bench_times_each_number_of_threads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_file(tmp_path / "model.onnx")
    assert main([str(path), "--bench", "--rounds", "2", "--json"]) == 0
    speed = json.loads(capsys.readouterr().out)
    assert [int(count) for count in speed["milliseconds"]] == list(thread_counts())
    assert (speed["bytes"], speed["parameters"], speed["macs"]) == (path.stat().st_size, 1234, 56789)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["model.onnx"], "no input; give a picture or a folder"),
        (["model.onnx", "nothing"], "no picture at nothing"),
        (["none.onnx", "pictures"], "there is no file none.onnx"),
        (["model.onnx", "pictures", "--output", "pictures"], "would be overwritten; give another --output"),
        (["model.onnx", "pictures", "--device", "TPU"], "ort has no device TPU here"),
        (["model.onnx", "pictures", "--threads", "0"], "can't run on 0 threads"),
        (["model.onnx", "--bench", "--rounds", "0"], "--rounds is 0"),
        (["model.onnx", "notes.txt"], "notes.txt is empty, damaged or no picture"),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_written(
    arguments: list[str],
    said: str,
    tmp_path: Path,
    pictures: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_file(tmp_path / "model.onnx")
    (tmp_path / "notes.txt").write_text("no picture")
    monkeypatch.chdir(tmp_path)
    before = sorted(pictures.iterdir())
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert said in error
    assert sorted(pictures.iterdir()) == before


def test_facts_of_another_network_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"model.onnx: its outputs aren't detection's: .*; are the file's facts those of"
    ):
        open_model(write_file(tmp_path / "model.onnx", task="detection")).run(PICTURE)
    with pytest.raises(UserError, match="the file's task is depth; expected one of: segmentation"):
        open_model(write_file(tmp_path / "model.onnx", task="depth"))


def test_each_task_says_and_draws_what_it_found() -> None:
    facts = facts_of({**FACTS, "fit": "resize", "anchors": [[[10, 13]], [[30, 61]], [[116, 90]]]})
    maps = [np.full((1, 10, 32 // stride, 48 // stride), -9.0, np.float32) for stride in (8, 16, 32)]
    maps[0][0, :, 2, 2] = [0, 0, 0, 0, 9, -9, 9, -9, -9, -9]
    heat = np.zeros((1, 5, 8, 12), np.float32)
    heat[0, 2, 4, 4] = 1
    logits = np.zeros((1, 5), np.float32)
    logits[0, 3] = 3
    outputs = {
        "detection": (maps, "car 1.00"),
        "keypoints": ([heat], "bus 29,30"),
        "classification": ([logits], "sky 83.4%"),
    }
    for name, (output, said) in outputs.items():
        task = task_of(facts_of({**FACTS, "fit": "resize", "anchors": facts.anchors, "task": name}))
        found = task.decode(output, PICTURE.shape[:2], facts)
        assert task.says(found, facts).startswith(said)
        assert (task.draw(PICTURE, found, facts).shape[:2] != PICTURE.shape[:2]) == (name == "classification")
        assert not np.array_equal(task.draw(PICTURE, found, facts), PICTURE)
