"""Activations in 16 bits: chosen by mixed precision here, named in plan.json, set by run.py for the plugin."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
import torch
from torch import nn

import qat
from qat.backends.bn_folding import folded
from qat.backends.scales import freeze_scales, keep_bits
from qat.handover.int16 import int16_nodes
from tests.handover.small import float_network, network_input, pixels, results, run, write

LAYERS = ("stem_0", "mul", "sigmoid")  # of backend fx: a convolution with its ReLU, and two functions


@pytest.fixture(scope="module")
def graphs() -> tuple[torch.fx.GraphModule, torch.fx.GraphModule]:
    """Backend fx's, and the one that is handed over."""
    x = network_input(pixels(4))
    rewritten = qat.rewrite(float_network(), x[:1], "j5", prove=False)
    prepared = qat.prepare(rewritten, qat.QuantSpec(observer="min_max"))
    qat.calibrate(prepared, list(x.split(1)))
    freeze_scales(prepared)
    return prepared, folded(rewritten, prepared).module


def test_nodes_are_found_by_what_they_compute(graphs: tuple[torch.fx.GraphModule, torch.fx.GraphModule]) -> None:
    """Preparing numbers functions anew: its `mul` is the `mul_2` of the rewritten graph."""
    prepared = copy.deepcopy(graphs[0])
    keep_bits(prepared, ["stem_0", "sigmoid", "mul"], 16)
    assert [node.name for node in int16_nodes(prepared, graphs[1])] == ["stem_0", "stem_2", "sigmoid", "mul_2"]


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ("relu", r"keeps relu in 16 bits, and J5's avg_pool2d \(avg_pool2d\) reads int8 alone \(note.md:507\)"),
        ("interpolate", "reads int8 alone|gives int8 alone"),
    ],
)
def test_what_the_device_has_in_int8_alone_is_refused(
    layer: str, message: str, graphs: tuple[torch.fx.GraphModule, torch.fx.GraphModule]
) -> None:
    prepared = copy.deepcopy(graphs[0])
    keep_bits(prepared, [layer], 16)
    with pytest.raises(qat.UserError, match=message):
        int16_nodes(prepared, graphs[1])


@pytest.mark.usefixtures("stand_in")
def test_run_py_sets_them(tmp_path: Path) -> None:
    """By name: layers, and functions in modules of their own."""
    plain, wide = write(tmp_path / "plain"), write(tmp_path / "wide", int16=LAYERS)
    for folder in (plain, wide):
        run(folder)
    named = json.loads((wide / "plan.json").read_text())["int16"]
    assert {"stem.0", "stem.2", "step_sigmoid"} <= set(named)
    text = (wide / "network.py").read_text()
    assert all(f"self.{name} = Step(lambda" in text for name in named if name.startswith("step_"))
    scales = [results(folder)["steps"]["calibrate"]["scales"] for folder in (plain, wide)]
    finer = {name for name, scale in scales[0].items() if scale > 200 * scales[1][name]}  # 257 times as many levels
    assert len(finer) == 3
    assert "stem.2" in finer


def test_a_plugin_without_int16_is_one_line(
    tmp_path: Path, stand_in: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from horizon_plugin_pytorch.quantization import qconfig

    monkeypatch.delattr(qconfig, "default_calib_8bit_weight_16bit_act_fake_quant_qconfig")
    run(write(tmp_path / "wide", int16=LAYERS[:1]), code=2)
    said = capsys.readouterr().err
    assert "has no quantization.qconfig.default_calib_8bit_weight_16bit_act_fake_quant_qconfig" in said
    assert said.count("\n") == 1


def test_the_stand_in_refuses_int16_for_int8_operations(stand_in: None) -> None:
    from horizon_plugin_pytorch import March, set_march
    from horizon_plugin_pytorch.quantization import QuantStub, prepare_qat_fx, qconfig

    class Pooled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.quant, self.conv, self.pool = QuantStub(), nn.Conv2d(3, 4, 1), nn.AvgPool2d(2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.pool(self.conv(self.quant(x)))

    set_march(March.BAYES)
    wide = qconfig.default_calib_8bit_weight_16bit_act_fake_quant_qconfig
    with pytest.raises(RuntimeError, match="pool reads int16"):
        prepare_qat_fx(Pooled(), {"": qconfig.get_default_qconfig(), "module_name": [("conv", wide)]})
