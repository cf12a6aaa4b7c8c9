"""The vendor's debugging tools, each asked as it is documented; one that raises is a line."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import nn

import qat
from qat.analysis.similarity import similarity_table
from qat.backends.horizon import HorizonBackend
from qat.backends.protocol import LayerSimilarity
from qat.graph import Rewritten
from tests.backends.test_horizon import SIZE, Small, backend, normalised, pictures

FILES = {
    "similarity_calib": {"similarity.txt", "ordered_op_error_similarity.txt", "similarity.html"},
    "similarity_int_infer": {"similarity.txt", "ordered_op_error_similarity.txt", "similarity.html"},
    "statistic": {"statistic.txt", "statistic.html"},
    "weights": {"weight_comparison.txt"},
    "profiler_FvsQ": {"profiler.html"},
    "profiler_QvsQ": {"profiler.html"},
}


def calibrated(horizon: HorizonBackend) -> tuple[Rewritten, nn.Module]:
    torch.manual_seed(0)
    rewritten = qat.rewrite(Small().eval(), torch.zeros(SIZE), "j5")
    prepared = horizon.prepare(rewritten, qat.QuantSpec(observer="min_max"))
    horizon.observe(prepared)
    for picture in pictures():
        prepared(normalised(picture))
    return rewritten, prepared


@pytest.mark.parametrize("source", ["ddr", "pyramid"])
def test_every_tool_is_asked(stand_in: ModuleType, tmp_path: Path, source: str) -> None:
    horizon = backend(source)
    rewritten, prepared = calibrated(horizon)
    lines, layers = horizon.compare(rewritten, prepared, normalised(pictures(1)[0]), tmp_path)
    tools = "featuremap_similarity, get_raw_features, profile_featuremap, compare_weights, model_profiler"
    assert lines == [f"the plugin's {tools}: {tmp_path}"]
    assert {folder.name: {file.name for file in folder.iterdir()} for folder in tmp_path.iterdir()} == FILES
    found = {(row.stage, row.name): row for row in layers}
    assert {stage for stage, _ in found} == {"calib", "int_infer"}
    assert 20 < found["calib", "first"].sqnr_db < 70
    assert found["int_infer", "first"].sqnr_db > 60  # the stand-in's integers are its fake-quantised values


def test_one_that_raises_is_a_line(stand_in: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import horizon_plugin_profiler

    def fail(*_: object, **__: object) -> None:
        raise ValueError("no such scale\nmore")

    monkeypatch.setattr(horizon_plugin_profiler, "compare_weights", fail)
    monkeypatch.setattr(horizon_plugin_profiler, "check_qconfig", fail)
    monkeypatch.delattr(horizon_plugin_profiler, "model_profiler")
    horizon = backend()
    rewritten, prepared = calibrated(horizon)
    picture = normalised(pictures(1)[0])
    lines, layers = horizon.compare(rewritten, prepared, picture, tmp_path)
    assert lines[0] == "the plugin's compare_weights raised ValueError: no such scale"
    assert lines[1].startswith("the plugin's featuremap_similarity, get_raw_features, profile_featuremap: ")
    assert layers
    said = horizon.inspect(rewritten, prepared, picture, tmp_path)
    assert said[0] == "the plugin's check_qconfig raised ValueError: no such scale"


def test_theirs_stand_beside_ours() -> None:
    theirs = [
        LayerSimilarity("calib", "a.conv", "a_conv", 20.0, 3.0, 1.0),
        LayerSimilarity("calib", "b", "b", 10, 5, 2),
    ]
    row = {"name": "a_conv", "accumulated": {"sqnr_db": 21.5, "max_steps": 2.5}}
    table = similarity_table(theirs, {"pairs": {"calib": {"layers": [row]}}}, "calib")
    assert [list(column.cells) for column in table.columns[:3]] == [["b", "a.conv"], ["10.0", "20.0"], ["", "21.5"]]


def test_the_stand_in_takes_what_is_documented_alone(stand_in: ModuleType, tmp_path: Path) -> None:
    from horizon_plugin_pytorch.utils import quant_profiler as tools

    horizon = backend()
    rewritten, prepared = calibrated(horizon)
    x = normalised(pictures(1)[0])
    with pytest.raises(RuntimeError, match="takes a float model only"):
        tools.check_unfused_operations(prepared, x)
    with pytest.raises(RuntimeError, match="share modules: deepcopy"):
        tools.featuremap_similarity(prepared, prepared, x, out_dir=str(tmp_path))
    with pytest.raises(TypeError, match="output of get_raw_features"):
        tools.profile_featuremap(prepared, out_dir=str(tmp_path))
    with pytest.raises(RuntimeError, match="give the float model to fuse_fx first"):
        tools.compare_weights(rewritten.module, prepared, out_dir=str(tmp_path))
    with pytest.raises(RuntimeError, match="mode FvsQ doesn't fit"):
        tools.model_profiler(rewritten.module, horizon.convert(prepared), x, "FvsQ", str(tmp_path))
