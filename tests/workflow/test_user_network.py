"""A network of the user's own, by MODEL.NAME path/net.py:function, through the stages; docs/your-network.md is run."""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from qat.cli.main import main
from qat.config import load_config
from qat.errors import UserError
from qat.workflow import calibrate
from qat.workflow import train as train_stage
from qat.workflow.load import load_float, load_stage
from qat.workflow.network import network_spec
from qat.workflow.run import folders_of
from tests.workflow.dots import write_pictures

PAGE = Path(__file__).resolve().parents[2] / "docs" / "your-network.md"


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


DESCRIPTOR = """
name: dots
images: images/{split}
labels: masks/{split}
classes:
  - {name: ground, id: 0}
  - {name: dot, id: 1}
"""
RUN = """
MODEL: {NAME: "net.py:build", KWARGS: {width: 8}, OUTPUT: 0}
DATASET: {DATASET: data/dots.yaml}
TEST: {IMAGE_SIZE: [128, 64], MODEL_FILE: ""}
DEVICE: cpu
WORKERS: 0
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The page's network, a few pictures and a run, in the working directory."""
    (network,) = blocks("python")
    write_pictures(tmp_path / "data")
    (tmp_path / "data" / "dots.yaml").write_text(DESCRIPTOR)
    (tmp_path / "net.py").write_text(network)
    (tmp_path / "net.yaml").write_text(RUN)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_the_page_s_commands_run_and_sys_path_stays(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = list(sys.path)
    text = PAGE.read_text(encoding="utf-8")
    first, *others = [shlex.split(line)[2:] for line in text.splitlines() if line.startswith("$ rtseg-qat")]
    assert (first[0], len(others)) == ("new", 5)
    assert main(first) == 0
    assert capsys.readouterr().out in text
    assert [main([*command, "WORKERS", "0"]) for command in others] == [0] * 5
    assert sys.path == before
    compiled = folder / "output" / "data" / "build" / "compile"
    assert json.loads((compiled / "eval" / "ort" / "metrics.json").read_text())["pixels_changed"] < 0.05
    parity = json.loads((compiled / "parity.json").read_text())
    assert "ort" in parity["model_ort.onnx"]


def test_every_other_stage_takes_it(folder: Path) -> None:
    run = ["-c", "net.yaml", "DEVICE", "cpu"]
    crops = ["TRAIN.IMAGE_SIZE", "64,64", "TRAIN.BASE_SIZE", "128", "TRAIN.BATCH_SIZE_PER_GPU", "2"]
    for command in (
        ["calib", *run, "QUANT.EQUALISE", "True", "QUANT.RECONSTRUCT", "True"],
        ["calib", *run],
        ["debug", *run, "DEBUG.IMAGES", "1", "DEBUG.SENSITIVITY_IMAGES", "1"],
        ["qat", *run, *crops, "QAT.END_EPOCH", "1"],
        ["infer", *run, "--stage", "calib", "--input", "data/images/val"],
        ["eval", *run, "--stage", "calib"],
        ["report", *run],
    ):
        assert main(command) == 0, command
    assert "build (dots/net)" in (folder / "output" / "dots" / "net" / "debug" / "graph.html").read_text()


def calibrated(folder: Path) -> Callable[[], nn.Module]:
    """Calibrates; returns what loads the stage again."""
    calibrate(load_config("net.yaml"))
    return lambda: load_stage(load_config("net.yaml"), "int_infer")


def test_an_edited_network_makes_stages_stale(folder: Path) -> None:
    load = calibrated(folder)
    edit(folder / "net.py", "from torch import nn", "# a comment\nfrom torch import nn")
    load()
    edit(folder / "net.py", "nn.Hardswish()", "nn.ReLU()")
    with pytest.raises(UserError, match=r"MODEL\.NAME's network \(sha256\)"):
        load()


def test_a_setting_that_changes_no_shape_makes_stages_stale(folder: Path) -> None:
    load = calibrated(folder)
    edit(folder / "net.py", "nn.BatchNorm2d(width), nn.Hardswish()", "nn.BatchNorm2d(width, eps=1e-2), nn.Hardswish()")
    with pytest.raises(UserError, match=r"MODEL\.NAME's network \(sha256\)"):
        load()


def test_the_path_makes_nothing_stale_and_other_arguments_do(folder: Path) -> None:
    load = calibrated(folder)
    (folder / "nets").mkdir()
    (folder / "net.py").rename(folder / "nets" / "other.py")
    edit(folder / "net.yaml", "net.py:build", "nets/other.py:build")
    load()
    edit(folder / "net.yaml", "{width: 8}", "{width: 12}")
    with pytest.raises(UserError, match=r"MODEL\.(KWARGS|NAME)"):
        load()


def test_a_checkpoint_is_loaded_as_it_is(folder: Path) -> None:
    text = (folder / "net.py").read_text().replace("self.body", "self.model")
    (folder / "net.py").write_text(text)
    first = load_float(load_config("net.yaml")).state_dict()
    state = {name: torch.full_like(value, 2) for name, value in first.items()}
    torch.save(state, "w.pt")
    loaded = load_float(load_config("net.yaml", ["TEST.MODEL_FILE", "w.pt"])).state_dict()
    assert {name for name in loaded if name.startswith("model.")}
    assert all(torch.equal(value, state[name]) for name, value in loaded.items())


def test_it_trains_and_the_weights_load_again(folder: Path) -> None:
    values = {"END_EPOCH": 1, "IMAGE_SIZE": "64,64", "BASE_SIZE": 128, "BATCH_SIZE_PER_GPU": 2}
    done = train_stage(load_config("net.yaml", [str(part) for key in values for part in (f"TRAIN.{key}", values[key])]))
    trained = load_float(load_config("net.yaml", ["TEST.MODEL_FILE", str(done.final)]))
    assert trained(torch.zeros(1, 3, 64, 64)).shape == (1, 2, 16, 16)


def test_the_run_is_named_by_the_file_or_by_the_function(folder: Path) -> None:
    assert folders_of(load_config("net.yaml")).base == Path("output/dots/net")
    assert load_config("net.yaml", ["MODEL.NAME", "net.py:build"]).NAME == "build"
    spec = network_spec(load_config("net.yaml"))
    assert (spec.name, spec.stride, spec.loss) == ("build", 4, "cross_entropy")


WRONG = {
    "no such file": (["MODEL.NAME", "nte.py:build"], r"nte\.py can't be read"),
    "no such module": (["MODEL.NAME", "no_such.module:build"], r"ModuleNotFoundError: No module named 'no_such'"),
    "an import that fails": (["MODEL.NAME", "broken.py:build"], r"fails at broken\.py:2: .*No module named 'nothere'"),
    "a syntax error": (["MODEL.NAME", "syntax.py:build"], r"fails at syntax\.py:1: SyntaxError"),
    "no such function": (["MODEL.NAME", "net.py:biuld"], r"net\.py has no function biuld; did you mean build\?"),
    "a wrong argument": (["MODEL.KWARGS", "{widht: 3}"], r"TypeError: .*unexpected keyword argument 'widht'"),
    "no mapping": (["MODEL.KWARGS", "3"], r"expected a mapping"),
    "no module": (["MODEL.NAME", "broken.py:number"], r"fails at broken\.py:2"),
    "no such output": (["MODEL.OUTPUT", "2"], r"MODEL\.OUTPUT 2 .*0: \(1, 2, 32, 32\), 1: \(1, 2, 64, 64\)"),
    "several outputs": (["MODEL.OUTPUT", "None"], r"gives 0: \(1, 2, 32, 32\), 1: .*; set MODEL\.OUTPUT"),
    "other classes": (["MODEL.NAME", "net.py:Net", "MODEL.KWARGS", "{classes: 5}"], r"5 classes .*NUM_CLASSES is 2"),
    "a registered network": (["MODEL.NAME", "pidnet_s"], r"MODEL\.KWARGS .*pidnet_s is registered"),
}


@pytest.mark.parametrize("case", WRONG)
def test_bad_input_is_one_line(case: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "broken.py").write_text("from torch import nn\nimport nothere\n")
    (folder / "syntax.py").write_text("def build(:\n")
    options, said = WRONG[case]
    assert main(["check", "-c", "net.yaml", *options]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    assert re.search(said, lines[0]), lines[0]


def test_auxiliary_heads_learn_too(folder: Path) -> None:
    options = ["TRAIN.END_EPOCH", "1", "TRAIN.IMAGE_SIZE", "64,64", "TRAIN.BASE_SIZE", "128"]
    config = load_config("net.yaml", [*options, "TRAIN.BATCH_SIZE_PER_GPU", "2"])
    before = load_float(config).state_dict()
    done = train_stage(config)
    assert {"loss", "head0", "head1"} <= done.history[0].keys()
    after = load_float(load_config("net.yaml", ["TEST.MODEL_FILE", str(done.final)])).state_dict()
    assert not torch.equal(after["auxiliary.weight"], before["auxiliary.weight"])


def test_heads_that_only_training_gives_learn_too(folder: Path) -> None:
    both = "self.head(self.deep(early)), self.auxiliary(early)"
    edit(folder / "net.py", f"return {both}", f"return ({both}) if self.training else self.head(self.deep(early))")
    edit(folder / "net.yaml", ", OUTPUT: 0", "")
    options = ["TRAIN.END_EPOCH", "1", "TRAIN.IMAGE_SIZE", "64,64", "TRAIN.BASE_SIZE", "128"]
    done = train_stage(load_config("net.yaml", [*options, "TRAIN.BATCH_SIZE_PER_GPU", "2"]))
    assert {"head0", "head1", "mean_iou"} <= done.history[0].keys()


def test_a_network_for_something_else_is_not_trained(folder: Path) -> None:
    edit(folder / "net.yaml", '"net.py:build", KWARGS: {width: 8}, OUTPUT: 0', "mnasnet0_5")
    with pytest.raises(
        UserError,
        match=r"mnasnet0_5 is a network for classification and DATASET\.DATASET .* has labels of pixels; give",
    ):
        train_stage(load_config("net.yaml", ["TRAIN.IMAGE_SIZE", "64,64"]))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bisenetv2", "ddrnet23_slim"])
def test_a_registered_network_learns_with_all_its_heads(name: str, folder: Path) -> None:
    edit(folder / "net.yaml", '"net.py:build", KWARGS: {width: 8}, OUTPUT: 0', name)
    options = ["TRAIN.END_EPOCH", "1", "TRAIN.IMAGE_SIZE", "64,64", "TRAIN.BASE_SIZE", "128", "TRAIN.LR", "1e-4"]
    done = train_stage(load_config("net.yaml", [*options, "TRAIN.BATCH_SIZE_PER_GPU", "2"]))
    assert {"head0", "head1", "mean_iou"} <= done.history[0].keys()
    load_float(load_config("net.yaml", ["TEST.MODEL_FILE", str(done.final)]))


def test_windows_of_three_times_a_power_of_two_are_fitted(folder: Path) -> None:
    """128 is no multiple of 12; the network is looked at and traced at another size, and pictures are padded."""
    checked = "assert x.shape[2] % 12 == 0 and x.shape[3] % 12 == 0"
    edit(folder / "net.py", "        early =", f"        {checked}\n        early =")
    assert calibrated(folder)()(torch.zeros(1, 3, 72, 132)).shape[2:] == (18, 33)
