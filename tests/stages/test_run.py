"""What decides a stage, what it starts from, and which stages count as finished."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from qat.errors import UserError
from qat.files import sha256, write_json, write_text
from qat.stages import (
    Folders,
    Run,
    Tuned,
    finished_stages,
    is_current,
    origin_of,
    previous_record,
    read_record,
    source_of,
    write_record,
)
from qat.stages.folders import MANIFEST, METRICS
from qat.stages.run import read_metrics

METRICS_OF = {"mean_iou": 0.5, "class_iou": {}, "images": 1, "image_list": ""}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    weights = tmp_path / "float.pt"
    weights.write_bytes(b"weights")
    return Run(
        folders=Folders(tmp_path / "output" / "streets" / "net", "ort"),
        weights=weights,
        network={"MODEL.NAME": "net"},
        quant={"QUANT.OBSERVER": "mse"},
        kernels={"QUANT.ENGINE": "auto"},
        qat={"QAT.LR": 0.1},
        defaults={"QUANT.NEW": False, "QUANT.ENGINE": "auto"},
    )


def finish(run: Run, stage: str, origin: Any = None) -> None:
    """As a finished stage leaves its folder."""
    checkpoint = run.folders.checkpoint(stage)
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    checkpoint.write_text(stage)
    write_record(run.folders.stage(stage), stage, "config", origin or origin_of(run, stage), {"images": 3})


@pytest.mark.parametrize(
    ("stage", "names"),
    [
        ("float", {"MODEL.NAME"}),
        ("calib", {"MODEL.NAME", "QUANT.OBSERVER"}),
        ("qat", {"MODEL.NAME", "QUANT.OBSERVER", "QAT.LR", "calib's checkpoint (sha256)"}),
        ("int_infer", {"MODEL.NAME", "QUANT.OBSERVER", "QUANT.ENGINE", "calib's checkpoint (sha256)"}),
        ("compiled", {"MODEL.NAME", "QUANT.OBSERVER", "calib's checkpoint (sha256)"}),
    ],
)
def test_each_stage_is_decided_by_its_own_values(run: Run, stage: str, names: set[str]) -> None:
    assert set(origin_of(run, stage).values) == {"float weights sha256"} | names


def test_int_infer_starts_from_qat_once_it_has_finished(run: Run) -> None:
    finish(run, "calib")
    assert source_of(run) == "calib"
    finish(run, "qat")
    assert source_of(run) == "qat"
    assert origin_of(run, "int_infer").values["qat's checkpoint (sha256)"] == sha256(run.folders.checkpoint("qat"))
    assert source_of(replace(run, takes_from="calib")) == "calib"
    assert source_of(replace(run, qat={"QAT.LR": 0.2})) == "calib"


def test_another_calibration_makes_qat_stale(run: Run) -> None:
    finish(run, "calib")
    finish(run, "qat")
    run.folders.checkpoint("calib").write_text("another")
    assert source_of(run) == "calib"


def test_a_name_that_an_older_record_lacks_counts_as_its_default(run: Run) -> None:
    finish(run, "calib")
    folder = run.folders.stage("calib")
    newer = replace(run, quant={**run.quant, "QUANT.NEW": False})
    assert is_current(folder, origin_of(newer, "calib"))
    other = replace(run, quant={**run.quant, "QUANT.NEW": True})
    assert not is_current(folder, origin_of(other, "calib"))
    difference = origin_of(other, "calib").difference(read_record(folder)["made_from"])
    assert str(difference) == "QUANT.NEW False, now it is True"


def test_what_another_backend_takes_over_decides(run: Run, tmp_path: Path) -> None:
    tuned = Tuned("horizon", {"COMPILE.INPUT_SOURCE": "ddr"}, Folders(tmp_path / "fx"))
    values = origin_of(replace(run, tuned=tuned), "calib").values
    assert values["backend"] == "horizon"
    assert values["backend fx's calib (sha256)"] == "missing"


def test_a_record_is_written_and_read_back(run: Run) -> None:
    finish(run, "calib")
    folder = run.folders.stage("calib")
    assert previous_record(folder) == {"images": 3}
    assert read_record(folder)["stage"] == "calib"
    assert (folder / "config.yaml").read_text() == "config"
    assert read_record(run.folders.stage("qat")) == {}


def test_a_damaged_record_is_one_line(run: Run) -> None:
    write_text(run.folders.stage("calib") / MANIFEST, "{")
    with pytest.raises(UserError, match=r"manifest\.json is not valid JSON"):
        read_record(run.folders.stage("calib"))


@pytest.mark.parametrize(
    ("weights", "message"), [(None, "TEST.MODEL_FILE is empty"), (Path("none.pt"), "no checkpoint at none.pt")]
)
def test_missing_weights_are_one_line(run: Run, weights: Path | None, message: str) -> None:
    with pytest.raises(UserError, match=message):
        origin_of(replace(run, weights=weights), "float")


def test_a_stage_of_another_config_is_not_current(run: Run) -> None:
    finish(run, "calib")
    write_json(run.folders.stage("calib") / MANIFEST, {"made_from": {}})
    assert not is_current(run.folders.stage("calib"), origin_of(run, "calib"))


def evaluate(run: Run, stage: str, more: dict[str, str] | None = None) -> None:
    folder = run.folders.stage(stage)
    write_record(folder, stage, "", origin_of(run, stage), more or {})
    write_json(folder / "metrics.json", METRICS_OF | {"stage": stage})


def test_in_stage_order_with_compiled_ones_by_runtime(run: Run) -> None:
    artefact = run.folders.base / "compile" / "model.onnx"
    artefact.parent.mkdir(parents=True)
    artefact.write_bytes(b"onnx")
    ran = {"artefact": artefact.name, "artefact_sha256": sha256(artefact)}
    evaluate(run, "compiled", ran)
    evaluate(replace(run, folders=Folders(run.folders.base, "mnn")), "compiled", ran)
    evaluate(run, "int_infer")
    evaluate(run, "float")
    assert list(finished_stages(run)) == ["float", "int_infer", "compiled mnn", "compiled ort"]
    artefact.write_bytes(b"another")
    assert list(finished_stages(run)) == ["float", "int_infer"]


def test_other_weights_or_no_metrics_do_not_count(run: Run) -> None:
    evaluate(run, "float")
    (run.folders.stage("calib")).mkdir()
    write_record(run.folders.stage("calib"), "calib", "", origin_of(run, "calib"), {})
    assert list(finished_stages(run)) == ["float"]
    assert run.weights is not None
    run.weights.write_bytes(b"others")
    assert finished_stages(run) == {}


@pytest.mark.parametrize("content", [[], {}, 1], ids=str)
def test_metrics_that_are_none(content: Any, tmp_path: Path) -> None:
    write_json(tmp_path / METRICS, content)
    with pytest.raises(UserError, match="holds no metrics of a stage; delete it"):
        read_metrics(tmp_path / METRICS)
