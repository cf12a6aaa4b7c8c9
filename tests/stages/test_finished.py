"""Only stages that were evaluated with the run's weights and config count."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from qat.files import sha256, write_json
from qat.stages import Folders, Run, finished_stages, origin_of, write_record


@pytest.fixture
def run(tmp_path: Path) -> Run:
    weights = tmp_path / "float.pt"
    weights.write_bytes(b"weights")
    return Run(Folders(tmp_path / "run", "ort"), weights, {"MODEL.NAME": "net"})


def evaluate(run: Run, stage: str, more: dict[str, str] | None = None) -> None:
    folder = run.folders.stage(stage)
    write_record(folder, stage, "", origin_of(run, stage), more or {})
    write_json(folder / "metrics.json", {"stage": stage})


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
