"""run.py says each mistake in one line."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from qat.handover.runner import plugin, scales
from qat.handover.runner.measures import compared
from qat.handover.runner.mistake import Mistake
from qat.handover.runner.plan import Plan, arrays
from qat.handover.runner.steps import STEPS
from tests.handover.small import results, run, write

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = sorted((ROOT / "qat" / "handover" / "runner").glob("*.py"))
STEP_NAMES = [step.__name__ for step in STEPS]


def mistake(folder: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    run(folder, *arguments, code=2)
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    return said


def changed_plan(folder: Path, **values: Any) -> None:
    path = folder / "plan.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_no_plugin(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "horizon_plugin_pytorch doesn't import" in mistake(bundle, capsys)


def test_another_format(stand_in: ModuleType, bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    changed_plan(bundle, format=2)
    assert "has format 2 and this run.py reads format 1; write the bundle again" in mistake(bundle, capsys)


def test_other_weights(stand_in: ModuleType, bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    changed_plan(bundle, weights_sha256="0")
    assert "weights.npz isn't the file that plan.json names" in mistake(bundle, capsys)


def test_no_bundle(stand_in: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "run.py lies in the bundle that it runs" in mistake(tmp_path, capsys)


@pytest.mark.parametrize(
    ("text", "why"),
    [(None, "No module named 'network'"), ("def (", "invalid syntax"), ("class Network: pass\n", "takes no arguments")],
)
def test_a_network_that_does_not_run(
    stand_in: ModuleType, bundle: Path, capsys: pytest.CaptureFixture[str], text: str | None, why: str
) -> None:
    (bundle / "network.py").unlink()
    if text is not None:
        (bundle / "network.py").write_text(text)
    said = mistake(bundle, capsys)
    assert f"error: {bundle / 'network.py'} doesn't run (" in said
    assert why in said


@pytest.mark.parametrize(("part", "name"), [("input", "mean"), ("calibration", "batch"), ("compiler", "opt")])
def test_a_plan_with_a_part_missing(
    stand_in: ModuleType, bundle: Path, capsys: pytest.CaptureFixture[str], part: str, name: str
) -> None:
    values = json.loads((bundle / "plan.json").read_text())[part]
    changed_plan(bundle, **{part: {key: value for key, value in values.items() if key != name}})
    assert f"plan.json has no `{part}.{name}`; copy the whole bundle again" in mistake(bundle, capsys)
    changed_plan(bundle, **{part: [1]})
    assert f"plan.json has no `{part}." in mistake(bundle, capsys)


@pytest.mark.parametrize("place", ["output", "work"])
def test_a_file_where_a_folder_belongs(
    stand_in: ModuleType, bundle: Path, capsys: pytest.CaptureFixture[str], place: str
) -> None:
    (bundle / place).write_text("")
    assert mistake(bundle, capsys) == f"error: {bundle / place}: File exists; the same command goes on\n"


def test_a_full_disk(
    stand_in: ModuleType, bundle: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def replace(*paths: str) -> None:
        raise OSError(28, "No space left on device", paths[0])

    monkeypatch.setattr("qat.handover.runner.results.os.replace", replace)
    said = mistake(bundle, capsys)
    assert "No space left on device; the same command goes on" in said
    assert not (bundle / "results.json").exists()


@pytest.mark.parametrize(
    ("module", "name"), [("quantization", "export_hbir"), ("quantization.qconfig", "get_default_qconfig")]
)
def test_a_plugin_without_a_name(
    stand_in: ModuleType,
    bundle: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    module: str,
    name: str,
) -> None:
    monkeypatch.delattr(plugin.part(module), name)
    said = mistake(bundle, capsys)
    assert f"horizon_plugin_pytorch 1.8.2+stand-in has no {module}.{name}; the documentation of OpenExplorer" in said


def test_what_the_pyramid_needs_is_asked_for_first(
    stand_in: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write(tmp_path / "bundle", "pyramid")
    monkeypatch.delattr(plugin.part("functional"), "centered_yuv2rgb")
    assert "has no functional.centered_yuv2rgb; the documentation of OpenExplorer" in mistake(folder, capsys)
    assert results_steps(folder) == []


def test_the_tails_older_name(stand_in: ModuleType, bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    qconfig = stand_in.quantization.qconfig
    tail = "default_calib_8bit_weight_32bit_out_fake_quant_qconfig"
    monkeypatch.setattr(qconfig, "default_calib_out_8bit_fake_quant_qconfig", getattr(qconfig, tail), raising=False)
    monkeypatch.delattr(qconfig, tail)
    run(bundle)


def test_a_float_probe_that_departs(stand_in: ModuleType, bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    probes = arrays(bundle / "probes.npz")
    np.savez(bundle / "probes.npz", **{**probes, "bundle": probes["bundle"] * 1.001})
    said = mistake(bundle, capsys)
    assert "the float network gives other logits here (60.0 dB" in said
    assert "this torch computes it otherwise" in said
    assert results_steps(bundle) == ["names"]


def results_steps(folder: Path) -> list[str]:
    return list(results(folder)["steps"]) if (folder / "results.json").exists() else []


def test_a_calib_probe_that_is_further_from_float(
    stand_in: ModuleType, bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    probes = arrays(bundle / "probes.npz")
    np.savez(bundle / "probes.npz", **{**probes, "calib": probes["float"] * 1.001})
    assert "dB from float and ours 60.0 dB, more than 3 dB better" in mistake(bundle, capsys)
    assert "calib_probe" not in results_steps(bundle)


def test_results_of_another_run_are_not_overwritten(
    stand_in: ModuleType, bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(bundle)
    before = (bundle / "results.json").read_bytes()
    capsys.readouterr()
    assert "is of another run: options was {'qat_epochs': 0," in mistake(bundle, capsys, "--qat-epochs", "1")
    changed_plan(bundle, march="bayes", title="another")
    assert "is of another run: plan_sha256 was" in mistake(bundle, capsys)
    assert (bundle / "results.json").read_bytes() == before
    run(bundle, "--again")
    assert results(bundle)["plan_sha256"] == Plan(bundle).digest


def test_damaged_results(stand_in: ModuleType, bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (bundle / "results.json").write_text("[1]")
    assert "results.json is damaged" in mistake(bundle, capsys)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--data", "nowhere"), "--data nowhere is not a folder"),
        (("--qat-epochs", "-1"), "--qat-epochs -1 --qat-lr 0.0001; expected 0 or more"),
        (("--qat-epochs", "1", "--qat-lr", "nan"), "--qat-lr nan; expected"),
    ],
    ids=str,
)
def test_wrong_arguments(
    stand_in: ModuleType, bundle: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], says: str
) -> None:
    assert says in mistake(bundle, capsys, *arguments)
    assert not (bundle / "results.json").exists()


def test_a_data_set_without_the_pictures(
    stand_in: ModuleType, bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "no picture" in mistake(bundle, capsys, "--data", str(tmp_path))
    assert "perf_model" in results_steps(bundle)  # what was made stays


def test_what_the_plugin_raises_names_the_call(
    stand_in: ModuleType, bundle: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def perf_model(*args: Any, **keywords: Any) -> Any:
        raise OSError("no space\nleft")

    monkeypatch.setattr(stand_in.quantization, "perf_model", perf_model)
    assert mistake(bundle, capsys) == "error: the plugin's perf_model raised OSError: no space\n"


def test_an_observer_that_saw_nothing() -> None:
    model = torch.nn.Module()
    for name, scale in (("x", 1.0), ("y", 1 / 128)):
        layer = torch.nn.Module()
        layer.register_buffer("scale", torch.tensor([scale]))
        layer.register_buffer("zero_point", torch.zeros(1))
        model.add_module(name, layer)
    assert scales.activations(model) == {"x": 1.0, "y": 1 / 128}
    with pytest.raises(Mistake, match="the plugin observed nothing"):
        scales.check_observed(model)


def test_equal_logits_are_400_decibels() -> None:
    x = torch.randn(1, 3, 2, 2)
    assert compared(x, x).decibels == 400
