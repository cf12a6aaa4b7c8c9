"""What the vendor's page says of the plugin, and its quick start, in the stand-in."""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor, nn
from torch.ao.nn.quantized import FloatFunctional
from torch.ao.quantization import DeQuantStub

from tests.contracts.calls import SHAPE, network, prepared, set_state, settings


class Twice(nn.Module):
    """One FloatFunctional, called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.sums = FloatFunctional()

    def forward(self, x: Tensor) -> Tensor:
        return self.sums.add(self.sums.add(x, x), x)


class TheirReLU(nn.ReLU):
    pass


def test_a_float_functional_called_twice(plugin: ModuleType) -> None:
    with pytest.raises(RuntimeError, match="a FloatFunctional is called twice; use one for each call"):
        prepared(plugin, Twice())


def test_a_class_that_inherits_from_a_torch_operation(plugin: ModuleType) -> None:
    with pytest.raises(TypeError, match="middle is a TheirReLU, which inherits from a torch operation"):
        prepared(plugin, TheirReLU())


def test_a_tensor_that_is_unbound(plugin: ModuleType) -> None:
    with pytest.raises(RuntimeError, match="a tensor is unbound"):
        prepared(plugin, lambda x: torch.unbind(x, 1)[0])


def test_min_max_is_the_largest_magnitude_over_127_5(plugin: ModuleType) -> None:
    model = plugin.quantization.prepare_qat_fx(network(plugin), settings(plugin)).eval()
    set_state(plugin, model, "CALIBRATION")
    x = torch.randn(SHAPE)
    model(x)
    scale = model.state_dict()["quant.activation_post_process.scale"]
    assert torch.allclose(scale, x.abs().max() / 127.5)


def test_interpolation_keeps_its_inputs_scale(plugin: ModuleType) -> None:
    model = prepared(plugin, lambda x: nn.functional.interpolate(torch.relu(x), scale_factor=2, mode="bilinear"))
    names = [str(node.target) for node in model.graph.nodes if str(node.target).endswith("post_process")]
    assert not [name for name in names if "interpolate" in name]
    assert len(names) - len(set(names)) == 1  # the ReLU's quantiser once more


def test_tensor_add_is_not_fused(plugin: ModuleType) -> None:
    def quantisers(middle: Callable[[Tensor], Tensor]) -> int:
        return len([key for key in prepared(plugin, middle).state_dict() if key.endswith("post_process.scale")])

    plain = quantisers(lambda x: torch.relu(operator.add(torch.relu(x), 1)))
    assert quantisers(lambda x: torch.relu(torch.relu(x).add(1))) == plain + 1


class QuickStart(nn.Module):
    """What the vendor's Bayes quick start ends in: adaptive pooling, flatten, dropout, Linear."""

    def __init__(self, stub: nn.Module) -> None:
        super().__init__()
        self.quant, self.dequant = stub, DeQuantStub()
        self.features = nn.Sequential(
            *(nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU6()),
            *(nn.Conv2d(8, 16, 1, bias=False), nn.BatchNorm2d(16)),
        )
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(16, 5))

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.adaptive_avg_pool2d(self.features(self.quant(x)), (1, 1))
        return self.dequant(self.classifier(torch.flatten(x, 1)))


def test_the_vendors_quick_start(plugin: ModuleType, tmp_path: Path) -> None:
    """Its own order of calls: 32 bits on `classifier`, a fixed input scale, camera colours, pyramid, O1."""
    tools, qconfig = plugin.quantization, plugin.quantization.qconfig
    plugin.set_march(plugin.March.BAYES)
    float_model = QuickStart(tools.QuantStub(scale=1 / 128)).eval()
    pictures = [torch.randint(0, 256, (1, 3, 32, 64)).float() for _ in range(2)]
    batches = [plugin.functional.rgb2centered_yuv(picture) / 128 for picture in pictures]
    expected = float_model(batches[0])
    calib_model = tools.prepare_qat_fx(
        copy.deepcopy(float_model),
        {
            "": qconfig.default_calib_8bit_fake_quant_qconfig,
            "module_name": {"classifier": qconfig.default_calib_8bit_weight_32bit_out_fake_quant_qconfig},
        },
    ).to("cpu")
    calib_model.eval()
    tools.set_fake_quantize(calib_model, tools.FakeQuantState.CALIBRATION)
    for batch in batches:
        calib_model(batch)
    qat_model = tools.prepare_qat_fx(
        copy.deepcopy(float_model),
        {
            "": qconfig.default_qat_8bit_fake_quant_qconfig,
            "module_name": {"classifier": qconfig.default_qat_8bit_weight_32bit_out_fake_quant_qconfig},
        },
    )
    qat_model.load_state_dict(calib_model.state_dict())
    qat_model.train()
    tools.set_fake_quantize(qat_model, tools.FakeQuantState.QAT)
    qat_model(batches[0]).sum().backward()
    qat_model.eval()
    tools.set_fake_quantize(qat_model, tools.FakeQuantState.VALIDATION)
    quantized = tools.convert_fx(qat_model)
    script = torch.jit.trace(quantized.cpu(), batches[0])
    assert torch.allclose(script(batches[0]), expected, atol=0.05)
    assert tools.check_model(script, [batches[0]]) == 0
    hbm = str(tmp_path / "model.hbm")
    assert tools.compile_model(script, [batches[0]], hbm=hbm, input_source="pyramid", opt="O1") == 0
    perf = tools.perf_model(script, [batches[0]], out_dir=str(tmp_path / "perf"), input_source=["pyramid"], opt="O1")
    assert "summary" in perf


def test_colours_there_and_back(plugin: ModuleType) -> None:
    rgb = torch.randint(0, 256, (1, 3, 8, 16)).float()
    for swing in ("full", "studio"):
        yuv = plugin.functional.rgb2centered_yuv(rgb, swing)
        back = plugin.functional.centered_yuv2rgb(yuv, swing, mean=[0.0], std=[1.0], q_scale=2.0)
        assert (back - rgb).abs().median() < 3
