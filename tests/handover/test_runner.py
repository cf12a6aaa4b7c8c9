"""run.py against the strict stand-in: every step, and going on."""

from __future__ import annotations

import ast
import os
import stat
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from qat.handover.runner import pictures, plugin, scales
from qat.handover.runner.plan import Plan, arrays
from qat.handover.runner.steps import STEPS
from tests.contracts.fixture import PLUGIN
from tests.handover.small import data_set, results, run, write

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = sorted((ROOT / "qat" / "handover" / "runner").glob("*.py"))
STEP_NAMES = [step.__name__ for step in STEPS]


# --- what the image can read ---


def least_python(*paths: Path) -> subprocess.CompletedProcess[str]:
    """vermin's judgement: 0 where every line runs on Python 3.8."""
    command = [sys.executable, "-c", "import vermin; vermin.main()", "-t=3.8-", "--violations", "--no-tips"]
    return subprocess.run([*command, *map(str, paths)], capture_output=True, text=True)


def test_every_line_runs_on_python_3_8(written: Path, tmp_path: Path) -> None:
    """Of the runner, run.py and network.py, by vermin; it finds what came with 3.9."""
    files = sorted(written.rglob("*.py"))
    assert {path.name for path in files} >= {"run.py", "network.py", "steps.py"}
    done = least_python(*files)
    assert done.returncode == 0, done.stdout + done.stderr
    newer = tmp_path / "newer.py"
    newer.write_text("name = 'a.npy'.removesuffix('.npy')\n")
    assert "requires !2, 3.9" in least_python(newer).stdout
    assert least_python(newer).returncode == 1


def test_it_imports_torch_numpy_and_its_own_files() -> None:
    roots = set()
    for path in SHIPPED:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                roots |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                roots.add(str(node.module).split(".")[0])
    assert roots - set(sys.stdlib_module_names) == {"torch", "numpy", "cv2", "PIL"}


# --- all of it ---


def test_all_steps_as_a_program(bundle: Path, tmp_path: Path) -> None:
    """In a process of its own, where only the plugin's stand-in is added, from another folder."""
    data = data_set(tmp_path / "data")
    environment = {**os.environ, "PYTHONPATH": str(PLUGIN), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(bundle / "run.py"), "--data", str(data)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    found = results(bundle)
    assert list(found["steps"]) == STEP_NAMES
    assert found["steps"]["float_probe"]["decibels"] >= 100
    assert found["steps"]["calib_probe"]["to_float"] > 20
    assert found["steps"]["perf_model"]["perf"]["summary"]["FPS"] == 250.0
    assert found["steps"]["qat"]["skipped"] == "no --qat-epochs"
    made = {str(path.relative_to(bundle / "output")) for path in (bundle / "output").rglob("*") if path.is_file()}
    files = {"int_model.pt", "model.hbir", "model.hbm", "small.svg", "perf_out/Small.html", "perf_out/Small.json"}
    assert made == files
    stages = found["steps"]["evaluate"]["stages"]
    assert list(stages) == ["float", "calib", "int_infer"]
    assert [np.sum(stage["confusion"]) for stage in stages.values()] == [3 * 12 * 32] * 3  # two lines are ignored
    assert stages["float"]["noise"] == 0


@pytest.mark.parametrize("source", ["ddr", "pyramid"])
def test_both_inputs_reach_the_board(stand_in: ModuleType, tmp_path: Path, source: str) -> None:
    folder = write(tmp_path / "bundle", source)
    run(folder)
    assert results(folder)["steps"]["int_probe"]["to_float"] > 20
    assert f"bayes {source} O2" in (folder / "output" / "model.hbm").read_text()


def test_it_goes_on_where_it_was_stopped(
    stand_in: ModuleType, bundle: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(stand_in.quantization, "compile_model", lambda *args, **keywords: 7)
    run(bundle, code=2)
    assert capsys.readouterr().err.startswith("error: the plugin's compile_model returned 7, expected 0")
    before = results(bundle)
    assert list(before["steps"]) == STEP_NAMES[: STEP_NAMES.index("compile_model")]
    monkeypatch.undo()
    run(bundle)
    assert capsys.readouterr().out.count("done before") == len(before["steps"])
    assert results(bundle)["steps"]["calibrate"] == before["steps"]["calibrate"]


def test_mIoU_can_follow_later(stand_in: ModuleType, bundle: Path, tmp_path: Path) -> None:
    run(bundle)
    assert results(bundle)["steps"]["evaluate"]["skipped"] == "no --data FOLDER"
    run(bundle, "--data", str(data_set(tmp_path / "data")))
    assert "stages" in results(bundle)["steps"]["evaluate"]


def test_pictures_by_list(stand_in: ModuleType, written: Path, bundle: Path, tmp_path: Path) -> None:
    """The same pictures give the same scales, wherever they lie."""
    listed = write(tmp_path / "listed", listed=True)
    run(bundle)
    run(listed, "--data", str(data_set(tmp_path / "data")))
    assert results(listed)["steps"]["calibrate"]["scales"] == results(bundle)["steps"]["calibrate"]["scales"]


def test_the_plugins_own_training_comes_nearer(
    stand_in: ModuleType, bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(bundle, "--qat-epochs", "8", "--qat-lr", "0.01")
    losses = [
        float(line.split("float ")[1].split()[0]) for line in capsys.readouterr().out.splitlines() if "  epoch" in line
    ]
    assert losses[-1] < 0.9 * losses[0]
    assert results(bundle)["steps"]["qat"]["to_float"] > results(bundle)["steps"]["calib_probe"]["to_float"]


def test_training_says_that_set_weight_scales_move(
    stand_in: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write(tmp_path / "bundle", tuned=True)
    run(folder, "--qat-epochs", "1")
    assert "the weights' scales, which a method had set, follow the weights from here on" in capsys.readouterr().out
    state, given = arrays(folder / "work" / "qat.npz"), arrays(folder / "weight_scales.npz")
    found = [np.allclose(state[f"{layer}.weight_fake_quant.scale"], scale) for layer, scale in given.items()]
    assert not all(found)


def test_weights_are_rounded_by_the_scales_that_a_method_set(stand_in: ModuleType, tmp_path: Path) -> None:
    folder = write(tmp_path / "bundle", tuned=True)
    run(folder)
    state = arrays(folder / "work" / "calib.npz")
    given = arrays(folder / "weight_scales.npz")
    assert len(given) == 5
    for layer, scale in given.items():
        found = state[f"{layer}.weight_fake_quant.scale"]
        assert np.array_equal(found, np.broadcast_to(scale, found.shape))


def test_observation_undoes_a_weight_scale_that_is_set_before_it(stand_in: ModuleType, tmp_path: Path) -> None:
    """Why run.py sets them after the pictures."""
    plan = Plan(write(tmp_path / "bundle", tuned=True))
    layer, scale = next(iter(plan.weight_scales().items()))
    model = plugin.prepared(plan, "calib")
    scales.set_weight_scales(model, {layer: scale * 7})
    plugin.set_state(model, "CALIBRATION")
    model(next(pictures.calibration(plan, None)))
    found = model.state_dict()[f"{layer}.weight_fake_quant.scale"]
    assert not torch.isclose(found, scale.expand_as(found) * 7).any()


def test_the_pyramids_scale_is_fixed(stand_in: ModuleType, tmp_path: Path) -> None:
    folder = write(tmp_path / "bundle", "pyramid")
    run(folder)
    assert results(folder)["steps"]["calibrate"]["scales"]["quant"] == 1 / 128


@pytest.mark.parametrize(("code", "says"), [(0, ""), (3, "ended with 3 and said: output 0 differs")])
def test_the_images_verifier(
    stand_in: ModuleType,
    bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    code: int,
    says: str,
) -> None:
    tool = tmp_path / "hbdk-model-verifier"
    tool.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/asked\necho output 0 differs\nexit {code}\n')
    tool.chmod(tool.stat().st_mode | stat.S_IEXEC)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    run(bundle, code=2 if code else 0)
    assert says in capsys.readouterr().err
    assert (
        f"--hbm {bundle}/output/model.hbm --model-pt {bundle}/output/int_model.pt" in (tmp_path / "asked").read_text()
    )
