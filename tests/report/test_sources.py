from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from qat.config import load_config
from qat.errors import UserError
from qat.files import write_json
from qat.report.sources import Sources, read_sources
from qat.stages import Run, origin_of
from qat.stages.folders import MANIFEST, METRICS
from qat.workflow.run import run_of
from tests.report.fakes import metrics, sources

CONFIG = str(Path(__file__).resolve().parents[2] / "configs/streets/pidnet_s.yaml")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return run_of(load_config(CONFIG, ["OUTPUT_DIR", str(tmp_path)]))


@pytest.fixture
def base(run: Run) -> Path:
    return run.folders.base


def read(run: Run) -> Sources:
    return read_sources(run, "pidnet_s on streets", "QUANT: {}", 0.99)


def leave(run: Run, folder: str, stage: str, **manifest: Any) -> None:
    """A folder as a stage of this run leaves it."""
    write_json(run.folders.base / folder / MANIFEST, {"made_from": dict(origin_of(run, stage).values)} | manifest)


def test_without_float_it_is_one_line(run: Run) -> None:
    with pytest.raises(UserError, match=r"no evaluated float stage .*float; run make eval STAGE=float first$"):
        read(run)


def test_float_alone_is_enough(run: Run, base: Path) -> None:
    leave(run, "float", "float")
    write_json(base / "float" / METRICS, metrics())
    found = read(run)
    assert (list(found.metrics), found.stale, found.graph) == (["float"], (), "")
    assert found.sizes == {"float": run.weights_file.stat().st_size}
    assert not any([found.calibration, found.qparams, found.compiled, found.perf, *found.debug.values()])


def test_everything_is_read(run: Run, base: Path) -> None:
    left = sources()
    for folder, stage in (("float", "float"), ("calib", "calib"), ("int_infer", "int_infer"), ("debug", "debug")):
        leave(run, folder, stage)
        write_json(base / folder / METRICS, metrics(changed=None if stage == "float" else 0.1))
    artefacts = {"int_model.pt": {"kind": "torchscript", "bytes": 7}, "model.mnn": {"kind": "mnn", "bytes": 9}}
    leave(run, "compile", "compiled", artefacts=artefacts)
    write_json(base / "compile/eval/mnn/manifest.json", {"artefact": "model.mnn", "made_from": {}})
    for name, content in left.debug.items():
        write_json(base / f"debug/{name}.json", content)
    write_json(base / "calib/qparams.json", left.qparams)
    (base / "compile/graph.html").touch()
    found = read(run)
    assert found.debug == left.debug
    assert found.qparams == left.qparams
    assert (found.sizes["int_infer"], found.sizes["compiled mnn"]) == (7, 9)
    assert found.floats == {"float", "compiled mnn"}
    assert found.graph == "../compile/graph.html"
    (base / "debug/graph.html").touch()
    assert read(run).graph == "../debug/graph.html"


def test_what_another_config_made_is_named_and_not_shown(run: Run, base: Path) -> None:
    for folder in ("float", "calib", "debug"):
        leave(run, folder, folder)
        write_json(base / folder / "layers.json", {"images": 2})
    for stage in ("float", "calib"):
        write_json(base / stage / METRICS, metrics())
    options = ["OUTPUT_DIR", str(base.parents[1]), "QUANT.SCHEME", "affine"]
    found = read(run_of(load_config(CONFIG, options)))
    assert list(found.metrics) == ["float"]
    assert found.stale == ("calib", "debug")
    assert found.debug["layers"] == found.calibration == {}


def test_a_damaged_file_is_one_line(run: Run, base: Path) -> None:
    leave(run, "float", "float")
    leave(run, "debug", "debug")
    write_json(base / "float" / METRICS, metrics())
    (base / "debug/layers.json").write_text("{")
    with pytest.raises(UserError, match=r"layers\.json is not valid JSON"):
        read(run)
