"""DEVICE cuda: what runs on a GPU gives what the CPU gives, what stays on the CPU says so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from qat.cli.main import COMMANDS, main
from qat.config import load_config
from qat.workflow.places import ON_CPU, command_on_cpu, stage_on_cpu
from tests.gpu import needs_gpu
from tests.networks import TINY, registered, tiny_weights

FEW = [
    "DATASET.STREETS_TRAIN",
    "4",
    "DATASET.STREETS_VAL",
    "2",
    "QUANT.CALIB_IMAGES",
    "2",
    "QUANT.HELD_OUT_IMAGES",
    "1",
]
TRAINING = [
    "TRAIN.END_EPOCH",
    "1",
    "QAT.END_EPOCH",
    "1",
    "TRAIN.BATCH_SIZE_PER_GPU",
    "2",
    "TRAIN.IMAGE_SIZE",
    "[64, 64]",
]


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    folder = tmp_path_factory.mktemp("places")
    weights = tiny_weights(folder / "tiny.safetensors", num_classes=19)
    places = [
        "OUTPUT_DIR",
        str(folder / "output"),
        "LOG_DIR",
        str(folder / "log"),
        "DATASET.ROOT",
        str(folder / "data"),
    ]
    with registered(TINY):
        yield [*places, "NAME", "tiny", "MODEL.NAME", "tiny", "TEST.MODEL_FILE", str(weights), "WORKERS", "0", *FEW]


def test_what_stays_on_the_cpu_says_so(options: list[str]) -> None:
    assert main(["check", *options, "DEVICE", "cuda"]) in (0, 1)
    assert command_on_cpu(load_config(None, ["DEVICE", "cuda"]), "check").startswith("DEVICE cuda: check stays on the")
    assert main(["calib", *options, "DEVICE", "cpu"]) == 0
    assert main(["eval", "--stage", "calib", *options, "DEVICE", "cpu"]) == 0
    assert main(["eval", "--stage", "int_infer", *options, "DEVICE", "cuda"]) == 0
    lines = (Path(options[1]) / "streets" / "tiny" / "logs" / "eval.log").read_text().splitlines()
    assert "DEVICE cuda: int_infer stays on the CPU, whose int8 kernels and runtimes it is" in lines
    kept = (Path(options[1]) / "streets" / "tiny" / "logs" / "calib.log").read_text()
    assert "stays on the CPU" not in kept


def test_the_rows_are_commands() -> None:
    assert set(ON_CPU) <= set(COMMANDS)
    automatic = load_config(None, ["DEVICE", "auto"])
    assert {command_on_cpu(automatic, command) for command in COMMANDS} == {""}
    assert stage_on_cpu(automatic, "int_infer") == ""


@pytest.mark.gpu
@needs_gpu
@pytest.mark.parametrize(
    "command", [["eval"], ["calib"], ["eval", "--stage", "calib"], ["train"], ["qat"]], ids=" ".join
)
def test_commands_on_a_gpu(command: list[str], options: list[str]) -> None:
    assert main([*command, *options, *TRAINING, "DEVICE", "cuda"]) == 0


@pytest.mark.gpu
@needs_gpu
def test_a_gpu_scores_as_the_cpu(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    scores = []
    for device in ("cpu", "cuda"):
        capsys.readouterr()
        assert main(["eval", "--json", *options, "DEVICE", device]) == 0
        scores.append(json.loads(capsys.readouterr().out)["stages"]["float"]["mean_iou"])
    assert scores[0] == pytest.approx(scores[1], abs=0.002)
