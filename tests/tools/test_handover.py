"""handover, run.py in a process with the plugin's stand-in, takeover: the plugin's rows stand beside ours."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qat.cli.main import main
from tests.contracts.fixture import PLUGIN

J5 = ("QUANT.TARGET", "j5")


@pytest.fixture(scope="module")
def run(tiny: list[str]) -> list[str]:
    """The arguments of a run that is calibrated for J5 and has a bundle."""
    assert main(["eval", "--stage", "float", *tiny, *J5]) == 0
    assert main(["calib", *tiny, *J5]) == 0
    assert main(["handover", *tiny, *J5]) == 0
    return [*tiny, *J5]


def base(run: list[str]) -> Path:
    return Path(run[run.index("OUTPUT_DIR") + 1]) / "streets" / "tiny"


@pytest.fixture(scope="module")
def back(run: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle, copied elsewhere, after run.py."""
    folder = tmp_path_factory.mktemp("image") / "bundle"
    shutil.copytree(base(run) / "handover", folder)
    data = next(Path(run[run.index("DATASET.ROOT") + 1]).glob("seed*"))
    environment = {**os.environ, "PYTHONPATH": str(PLUGIN), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(folder / "run.py"), "--data", str(data)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture
def copy(back: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(back, tmp_path / "back"))


def taken_over(folder: Path, run: list[str], capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    capsys.readouterr()
    assert main(["takeover", str(folder), "--json", *run]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def mistake(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert main(arguments) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1].startswith("error: ")
    return lines[-1]


def changed(folder: Path, **values: Any) -> Path:
    path = folder / "results.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))
    return folder


def test_the_bundle_is_complete_and_names_no_machine(run: list[str]) -> None:
    folder = base(run) / "handover"
    names = {path.name for path in folder.iterdir()}
    expected = {"README.md", "network.py", "weights.npz", "plan.json", "probes.npz", "run.py", "runner", "pictures"}
    assert expected | {"labels", "manifest.json", "config.yaml"} == names
    for name in ("README.md", "network.py", "plan.json", "run.py"):
        assert str(base(run).parents[2]) not in (folder / name).read_text()
    plan = json.loads((folder / "plan.json").read_text())
    assert (plan["march"], plan["tail"], plan["input"]["width"]) == ("bayes", ["final_layer"], 512)
    assert plan["qconfig"] == {
        "activation_observer": "min_max",
        "weight_observer": "mse",
        "activation_qkwargs": {"averaging_constant": 1.0},
    }


def test_the_plugins_rows(run: list[str], back: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = taken_over(back, run, capsys)
    stages = found["stages"]
    assert list(stages) == ["float", "plugin calib", "plugin int_infer", "plugin perf"]
    assert stages["plugin calib"]["mean_iou"] == pytest.approx(stages["float"]["mean_iou"], abs=0.01)
    assert stages["plugin calib"]["image_list"] == stages["float"]["image_list"]
    assert stages["plugin int_infer"]["logit_sqnr"] > 20
    assert found["perf"][0]["fps"] == 250.0
    assert found["versions"]["plugin"] == "1.8.2+stand-in"
    assert found["left"] == []
    assert main(["takeover", str(back), *run]) == 0
    shown = capsys.readouterr().out
    assert all(row in shown for row in ("plugin calib", "plugin int_infer", "plugin perf", "perf_model", "the image:"))


def test_the_plugins_logits_wait_for_a_boards(
    run: list[str], back: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A dump of the board is held against the plugin's own int_infer, which ours isn't bit for bit."""
    taken_over(back, run, capsys)
    folder = base(run) / "plugin" / "int_infer" / "dump"
    names = json.loads((back / "plan.json").read_text())["probes"]
    with np.load(back / "results.npz") as answers:
        for name, expected in zip(names, answers["int_infer"], strict=True):
            np.testing.assert_array_equal(np.load(folder / f"{name}.npy"), expected)
            board = (tmp_path / name).with_suffix(".bin")
            board.parent.mkdir(parents=True, exist_ok=True)
            np.round(expected.transpose(1, 2, 0) / 0.001).astype(np.int32).tofile(board)
    form = ["--layout", "nhwc", "--dtype", "int32", "--scale", "0.001"]
    assert main(["compare", str(folder), str(tmp_path), *form, "--json", *run]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [row["largest"] <= 0.0005 + 1e-6 for row in rows] == [True] * len(names)


def test_our_float_and_theirs_measure_the_same(run: list[str], back: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The image's own way of measuring mIoU, without this project's code."""
    theirs = json.loads((back / "results.json").read_text())["steps"]["evaluate"]["stages"]["float"]["confusion"]
    counts = np.array(theirs, float)
    union = counts.sum(0) + counts.sum(1) - counts.diagonal()
    ours = json.loads((base(run) / "float" / "metrics.json").read_text())["mean_iou"]
    assert (counts.diagonal()[union > 0] / union[union > 0]).mean() == pytest.approx(ours, abs=1e-4)


def test_the_report_has_them(run: list[str], back: Path, capsys: pytest.CaptureFixture[str]) -> None:
    taken_over(back, run, capsys)
    assert main(["report", "--images", "0", *run]) == 0
    page = (base(run) / "report" / "report.html").read_text()
    assert all(title in page for title in ("plugin calib", "plugin int_infer", "plugin perf"))


def test_without_labels_there_is_the_distance_alone(
    run: list[str], copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    steps = json.loads((copy / "results.json").read_text())["steps"]
    changed(
        copy, steps={name: step for name, step in steps.items() if name not in ("evaluate", "perf_model", "verify")}
    )
    found = taken_over(copy, run, capsys)
    assert found["stages"]["plugin calib"]["mean_iou"] is None
    assert found["stages"]["plugin calib"]["logit_sqnr"] > 20
    assert "plugin perf" not in found["stages"]
    assert found["left"] == ["perf_model", "evaluate", "verify"]


def test_a_calibration_that_changed_makes_the_bundle_stale(
    run: list[str], back: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = [*run, "QUANT.OBSERVER", "mse"]
    assert "run make calib again" in mistake(["handover", *other], capsys)
    assert "is stale: written with QUANT.OBSERVER min_max" in mistake(["takeover", str(back), *other], capsys)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"format": 2}, "has format 2 and this version reads 1"),
        ({"plan_sha256": "0"}, "is of another run: its plan.json isn't that of"),
        ({"weights_sha256": "0"}, "is of another run: its weights.npz isn't that of"),
        ({"steps": [1]}, "is damaged: its steps aren't records"),
        ({"steps": {}}, "has no finished stage; run `python run.py` in the image first"),
        ({"versions": None}, "is damaged"),
    ],
    ids=str,
)
def test_results_that_do_not_belong(
    run: list[str], copy: Path, capsys: pytest.CaptureFixture[str], values: dict[str, Any], says: str
) -> None:
    taken_over(copy, run, capsys)
    before = {path: path.read_bytes() for path in sorted((base(run) / "plugin").rglob("*")) if path.is_file()}
    assert says in mistake(["takeover", str(changed(copy, **values)), *run], capsys)
    assert before == {path: path.read_bytes() for path in sorted((base(run) / "plugin").rglob("*")) if path.is_file()}
    assert len(before) > 3


@pytest.mark.parametrize(
    ("step", "values", "says"),
    [
        ("evaluate", {"pictures": ["others"]}, "was measured on other pictures"),
        ("evaluate", {"stages": {"calib": {}}}, "where a number is expected"),
        ("calibrate", {"scales": {"a": "b"}}, "'b' where a number is expected"),
        ("calib_probe", {"forward_seconds": -1}, "-1 where a number is expected"),
        ("perf_model", {"perf": {"a": 1}}, "is not perf_model's result"),
    ],
    ids=str,
)
def test_damaged_figures(
    run: list[str], copy: Path, capsys: pytest.CaptureFixture[str], step: str, values: dict[str, Any], says: str
) -> None:
    steps = json.loads((copy / "results.json").read_text())["steps"]
    steps[step] |= values
    assert says in mistake(["takeover", str(changed(copy, steps=steps)), *run], capsys)


def test_answers_are_never_unpickled(run: list[str], copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.savez(copy / "results.npz", calib=np.array([{"a": 1}], dtype=object))
    assert "can't read" in mistake(["takeover", str(copy), *run], capsys)


def test_answers_of_another_shape(run: list[str], copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.savez(copy / "results.npz", calib=np.zeros((1, 2, 3, 4), np.float32))
    assert "has no logits of calib like the probes'" in mistake(["takeover", str(copy), *run], capsys)


def test_no_results(run: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "results.json" in mistake(["takeover", str(tmp_path), *run], capsys)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["QUANT.TARGET", "x86"], "a bundle is for QUANT.TARGET j5, which is x86"),
        (["QUANT.SCHEME", "affine"], "J5 has symmetric int8 only"),
        (["QUANT.OBSERVER", "auto"], "QUANT.OBSERVER auto is backend fx's alone"),
        (["QUANT.HIGH_PRECISION", "['body.0']"], "J5 gives high precision only at the tail"),
        (["QUANT.WEIGHT_OBSERVER", "min_max"], "run make calib again"),
        (["QUANT.MAX_DROP", "0.1"], "run make calib again"),  # it can be handed over: calibrated with it
        (["OUTPUT_DIR", "elsewhere"], "run make calib first"),
        (["--pictures", "all"], "argument --pictures: invalid choice: 'all'"),
    ],
    ids=str,
)
def test_what_no_bundle_can_hold(
    run: list[str], capsys: pytest.CaptureFixture[str], options: list[str], says: str
) -> None:
    before = (base(run) / "handover" / "plan.json").read_bytes()
    assert says in mistake(["handover", *run, *options], capsys)
    assert (base(run) / "handover" / "plan.json").read_bytes() == before
    assert not Path("elsewhere").exists()


def test_takeover_needs_a_bundle(tiny: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["takeover", str(tmp_path), *tiny, *J5, "OUTPUT_DIR", str(tmp_path / "none")]
    assert "no bundle in" in mistake(arguments, capsys)


def test_compile_for_j5_writes_it_too(run: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(base(run) / "handover")
    few = ["COMPILE.RUNTIMES", "['ort']", "COMPILE.BENCH_ROUNDS", "0", "COMPILE.PARITY_IMAGES", "1"]
    assert main(["compile", *run, *few]) == 0
    assert "the bundle for the vendor's image ->" in capsys.readouterr().err
    assert (base(run) / "handover" / "plan.json").is_file()
