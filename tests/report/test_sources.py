from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from yacs.config import CfgNode

from qat.config import load_config
from qat.errors import UserError
from qat.files import write_json
from qat.report.sources import read_sources
from qat.workflow import stages
from tests.report.fakes import metrics, sources

CONFIG = str(Path(__file__).resolve().parents[2] / "configs/streets/pidnet_s.yaml")


@pytest.fixture
def cfg(tmp_path: Path) -> CfgNode:
    return load_config(CONFIG, ["OUTPUT_DIR", str(tmp_path)])


@pytest.fixture
def base(cfg: CfgNode) -> Path:
    return stages.stage_folder(cfg, "float").parent


def leave(cfg: CfgNode, base: Path, folder: str, stage: str, **manifest: Any) -> None:
    """A folder as a stage of this config leaves it."""
    write_json(base / folder / "manifest.json", {"made_from": dict(stages.made_from(cfg, stage).values)} | manifest)


def test_without_float_it_is_one_line(cfg: CfgNode) -> None:
    with pytest.raises(UserError, match=r"no evaluated float stage .*float; run make eval STAGE=float first$"):
        read_sources(cfg)


def test_float_alone_is_enough(cfg: CfgNode, base: Path) -> None:
    leave(cfg, base, "float", "float")
    write_json(base / "float/metrics.json", metrics())
    found = read_sources(cfg)
    assert (found.title, list(found.metrics), found.stale, found.graph) == ("pidnet_s on streets", ["float"], (), "")
    assert found.sizes == {"float": stages.model_file(cfg).stat().st_size}
    assert not any([found.made, found.qparams, found.compiled, found.perf, *found.debug.values()])


def test_everything_is_read(cfg: CfgNode, base: Path) -> None:
    made = sources()
    for folder, stage in (("float", "float"), ("calib", "calib"), ("int_infer", "int_infer"), ("debug", "debug")):
        leave(cfg, base, folder, stage)
        write_json(base / folder / "metrics.json", metrics(changed=None if stage == "float" else 0.1))
    artefacts = {"int_model.pt": {"kind": "torchscript", "bytes": 7}, "model.mnn": {"kind": "mnn", "bytes": 9}}
    leave(cfg, base, "compile", "compiled", artefacts=artefacts)
    write_json(base / "compile/eval/mnn/manifest.json", {"artefact": "model.mnn"})
    for name, content in made.debug.items():
        write_json(base / f"debug/{name}.json", content)
    write_json(base / "calib/qparams.json", made.qparams)
    (base / "compile/graph.html").touch()
    found = read_sources(cfg)
    assert found.debug == made.debug
    assert found.qparams == made.qparams
    assert (found.sizes["int_infer"], found.sizes["compiled mnn"]) == (7, 9)
    assert found.floats == {"float", "compiled mnn"}
    assert found.graph == "../compile/graph.html"
    (base / "debug/graph.html").touch()
    assert read_sources(cfg).graph == "../debug/graph.html"


def test_what_another_config_made_is_named_and_not_shown(cfg: CfgNode, base: Path) -> None:
    for folder in ("float", "calib", "debug"):
        leave(cfg, base, folder, folder)
        write_json(base / folder / "layers.json", {"images": 2})
    for stage in ("float", "calib"):
        write_json(base / stage / "metrics.json", metrics())
    found = read_sources(load_config(CONFIG, ["OUTPUT_DIR", cfg.OUTPUT_DIR, "QUANT.SCHEME", "affine"]))
    assert list(found.metrics) == ["float"]
    assert found.stale == ("calib", "debug")
    assert found.debug["layers"] == found.made == {}


def test_a_damaged_file_is_one_line(cfg: CfgNode, base: Path) -> None:
    leave(cfg, base, "float", "float")
    leave(cfg, base, "debug", "debug")
    write_json(base / "float/metrics.json", metrics())
    (base / "debug/layers.json").write_text("{")
    with pytest.raises(UserError, match=r"layers\.json is not valid JSON"):
        read_sources(cfg)
