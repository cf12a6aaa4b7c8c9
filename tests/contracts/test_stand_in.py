"""Each mistake that the plugin punishes, or hides, is caught by the stand-in."""

from __future__ import annotations

import copy
import operator
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.ao.nn.quantized import FloatFunctional
from torch.ao.quantization import DeQuantStub
from torch.ao.quantization import QuantStub as TorchQuantStub

from tests.contracts.fixture import PLUGIN

SHAPE = (1, 3, 16, 32)


class Net(nn.Module):
    """A convolution, `middle`, a tail, between stubs."""

    def __init__(self, stub: nn.Module, middle: Callable[[Tensor], Tensor] | None = None) -> None:
        super().__init__()
        self.quant, self.dequant = stub, DeQuantStub()
        self.first, self.norm, self.tail = nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Conv2d(4, 2, 1)
        self.middle = middle or torch.relu

    def forward(self, x: Tensor) -> Tensor:
        return self.dequant(self.tail(self.middle(self.norm(self.first(self.quant(x))))))


@pytest.fixture
def plugin(stand_in: ModuleType) -> ModuleType:
    stand_in.set_march("bayes")
    torch.manual_seed(0)
    return stand_in


def network(plugin: ModuleType, middle: Callable[[Tensor], Tensor] | None = None) -> nn.Module:
    return Net(plugin.quantization.QuantStub(), middle).eval()


def settings(plugin: ModuleType, **names: Any) -> dict[str, Any]:
    qconfig = plugin.quantization.qconfig
    tail = {"tail": qconfig.default_calib_8bit_weight_32bit_out_fake_quant_qconfig}
    return {"": qconfig.get_default_qconfig(), "module_name": tail | names}


def prepared(plugin: ModuleType, middle: Callable[[Tensor], Tensor] | None = None, **keywords: Any) -> nn.Module:
    return plugin.quantization.prepare_qat_fx(network(plugin, middle), settings(plugin), **keywords)


def set_state(plugin: ModuleType, model: nn.Module, state: str) -> None:
    plugin.quantization.set_fake_quantize(model, plugin.quantization.FakeQuantState[state])


def calibrated(plugin: ModuleType, **keywords: Any) -> nn.Module:
    model = prepared(plugin, **keywords).eval()
    set_state(plugin, model, "CALIBRATION")
    model(torch.randn(SHAPE))
    model.eval()
    set_state(plugin, model, "VALIDATION")
    return model


def traced(plugin: ModuleType, hybrid: bool = False, **keywords: Any) -> torch.jit.ScriptModule:
    converted = plugin.quantization.convert_fx(calibrated(plugin, hybrid=hybrid), **keywords)
    return torch.jit.trace(converted, torch.randn(SHAPE))


def test_the_right_order_works_and_stays_near_float(plugin: ModuleType, tmp_path: Path) -> None:
    model, x = network(plugin), torch.randn(SHAPE)
    expected, tools = model(x), plugin.quantization
    ready = tools.prepare_qat_fx(copy.deepcopy(model), settings(plugin)).eval()
    set_state(plugin, ready, "CALIBRATION")
    assert torch.allclose(ready(x), expected, atol=1e-5)  # nothing is rounded
    ready.eval()
    set_state(plugin, ready, "VALIDATION")
    rounded = ready(x)
    assert 0 < (rounded - expected).abs().max() < 0.05
    script = torch.jit.trace(tools.convert_fx(ready), x)
    assert torch.allclose(script(x), rounded, atol=1e-6)
    assert tools.check_model(script, [x], march="bayes") == 0
    assert tools.compile_model(script, [x], str(tmp_path / "model.hbm"), march="bayes", opt="O2", jobs=2) == 0
    assert list(tools.perf_model(script, [x], out_dir=str(tmp_path), name="Net", layer_details=True)) == ["summary"]
    assert {path.name for path in tmp_path.iterdir()} == {"model.hbm", "Net.html", "Net.json"}


def test_march_not_set(stand_in: ModuleType) -> None:
    with pytest.raises(RuntimeError, match="march is not set"):
        stand_in.quantization.prepare_qat_fx(network(stand_in), settings(stand_in))


def test_unknown_arguments_and_keys(plugin: ModuleType) -> None:
    tools = plugin.quantization
    with pytest.raises(TypeError, match="unexpected keyword"):
        tools.prepare_qat_fx(network(plugin), settings(plugin), example_inputs=())
    with pytest.raises(TypeError, match="unexpected keyword"):
        tools.convert_fx(calibrated(plugin), backend_config=None)
    with pytest.raises(KeyError, match="object_type"):
        tools.prepare_qat_fx(network(plugin), {"object_type": []})
    with pytest.raises(TypeError, match="percentil"):
        tools.qconfig.get_default_qconfig(activation_qkwargs={"percentil": 99.0})
    with pytest.raises(ValueError, match="unknown observer mean"):
        tools.qconfig.get_default_qconfig(activation_observer="mean")
    with pytest.raises(ValueError, match="per-channel symmetric along axis 0"):
        tools.qconfig.get_default_qconfig(weight_qkwargs={"ch_axis": 1})


def test_a_qconfig_for_a_module_that_is_not_there(plugin: ModuleType) -> None:
    with pytest.raises(KeyError, match="tial"):
        plugin.quantization.prepare_qat_fx(network(plugin), settings(plugin, tial=None))


def test_the_states_assert_the_modules_mode(plugin: ModuleType) -> None:
    model = prepared(plugin)
    for state, training in (("CALIBRATION", False), ("VALIDATION", False), ("QAT", True)):
        model.train(not training)
        with pytest.raises(AssertionError, match="Call model"):
            set_state(plugin, model, state)
        model.train(training)
        set_state(plugin, model, state)


def test_a_state_is_not_a_text(plugin: ModuleType) -> None:
    with pytest.raises(TypeError, match="expected a FakeQuantState"):
        plugin.quantization.set_fake_quantize(prepared(plugin), "calibration")


def test_eval_after_calibration_stops_observation(plugin: ModuleType) -> None:
    model = prepared(plugin).eval()
    set_state(plugin, model, "CALIBRATION")
    model.eval()
    with pytest.raises(RuntimeError, match="observation has stopped in silence"):
        model(torch.randn(SHAPE))


@pytest.mark.parametrize("middle", [lambda x: 1 - x, lambda x: torch.rsub(x, 1), lambda x: torch.sub(1.0, x)])
def test_a_constant_minuend(plugin: ModuleType, middle: Callable[[Tensor], Tensor]) -> None:
    with pytest.raises(RuntimeError, match="a constant minus a tensor isn't replaced"):
        prepared(plugin, middle)


def test_an_axis_that_is_put_back(plugin: ModuleType) -> None:
    model = prepared(plugin, lambda x: x.sum(1).unsqueeze(1).expand(-1, 4, -1, -1)).eval()
    set_state(plugin, model, "CALIBRATION")
    with pytest.raises(RuntimeError, match="unsqueeze isn't an operation of the device"):
        model(torch.randn(SHAPE))


def test_int32_anywhere_but_at_the_tail(plugin: ModuleType) -> None:
    int32 = plugin.quantization.qconfig.default_calib_8bit_weight_32bit_out_fake_quant_qconfig
    with pytest.raises(RuntimeError, match=r"int32 output of first.* reads it"):
        plugin.quantization.prepare_qat_fx(network(plugin), settings(plugin, first=int32))


def test_int32_of_a_tail_with_relu(plugin: ModuleType) -> None:
    model = network(plugin)
    model.tail = nn.Sequential(model.tail, nn.ReLU())
    tail = settings(plugin)["module_name"]["tail"]
    given = {"": plugin.quantization.qconfig.get_default_qconfig(), "module_name": [("tail.0", tail)]}
    with pytest.raises(RuntimeError, match="int32 output"):
        plugin.quantization.prepare_qat_fx(model, given)


def test_torchs_stub_and_no_stub(plugin: ModuleType) -> None:
    for stub, error in ((TorchQuantStub(), TypeError), (nn.Identity(), RuntimeError)):
        with pytest.raises(error, match="QuantStub"):
            plugin.quantization.prepare_qat_fx(Net(stub).eval(), settings(plugin))


def test_prepare_shares_attributes_with_its_input(plugin: ModuleType) -> None:
    model = network(plugin)
    plugin.quantization.prepare_qat_fx(model, settings(plugin))
    assert hasattr(model.tail, "weight_fake_quant")  # the user's own module is changed
    with pytest.raises(RuntimeError, match="deepcopy first"):
        plugin.quantization.prepare_qat_fx(model, settings(plugin))


def test_wrong_order_of_calls(plugin: ModuleType) -> None:
    tools, model = plugin.quantization, prepared(plugin)
    with pytest.raises(RuntimeError, match="before set_fake_quantize"):
        model(torch.randn(SHAPE))
    with pytest.raises(RuntimeError, match="before prepare_qat_fx"):
        set_state(plugin, network(plugin), "CALIBRATION")
    with pytest.raises(RuntimeError, match="before prepare_qat_fx"):
        tools.convert_fx(network(plugin))
    with pytest.raises(RuntimeError, match="has observed nothing"):
        tools.convert_fx(prepared(plugin))
    with pytest.raises(TypeError, match="trace it"):
        tools.check_model(tools.convert_fx(calibrated(plugin)), [torch.randn(SHAPE)])


COMPILING: dict[str, Callable[[ModuleType, Any, Any, Path], Any]] = {
    "check_model": lambda tools, script, x, folder: tools.check_model(script, x),
    "compile_model": lambda tools, script, x, folder: tools.compile_model(script, x, str(folder / "a.hbm")),
    "perf_model": lambda tools, script, x, folder: tools.perf_model(script, x, out_dir=str(folder)),
    "visualize_model": lambda tools, script, x, folder: tools.visualize_model(script, x, show=False),
    "export_hbir": lambda tools, script, x, folder: tools.export_hbir(script, x, str(folder / "a.hbir")),
}


@pytest.mark.parametrize("function", COMPILING)
def test_examples_are_a_list_a_tuple_or_one_tensor(plugin: ModuleType, function: str, tmp_path: Path) -> None:
    """The API says a tuple, the samples pass a list, and one a bare tensor."""
    script, x = traced(plugin), torch.randn(SHAPE)
    for examples in ([x], (x,), x):
        result = COMPILING[function](plugin.quantization, script, examples, tmp_path)
        assert not isinstance(result, int) or result == 0
    with pytest.raises(TypeError, match="expected tensors"):
        COMPILING[function](plugin.quantization, script, "picture.png", tmp_path)


@pytest.mark.parametrize("function", ["check_model", "compile_model", "perf_model", "export_hbir"])
@pytest.mark.parametrize("how", [{"fast_mode": True}, {"hybrid": True}], ids=str)
def test_fast_and_hybrid_models_are_not_compiled(
    plugin: ModuleType, function: str, how: dict[str, bool], tmp_path: Path
) -> None:
    code = COMPILING[function](plugin.quantization, traced(plugin, **how), [torch.randn(SHAPE)], tmp_path)
    assert code == 1
    assert list(tmp_path.iterdir()) == []


def test_wrong_values_for_the_compiler(plugin: ModuleType, tmp_path: Path) -> None:
    tools, script, x = plugin.quantization, traced(plugin), [torch.randn(SHAPE)]
    with pytest.raises(ValueError, match="unknown input_source camera"):
        tools.check_model(script, x, input_source="camera")
    with pytest.raises(ValueError, match="unknown opt O4"):
        tools.compile_model(script, x, str(tmp_path / "a.hbm"), opt="O4")
    with pytest.raises(ValueError, match="march bernoulli2 isn't the one"):
        tools.check_model(script, x, march="bernoulli2")
    assert tools.compile_model(script, x, str(tmp_path / "a.bin")) != 0
    assert tools.check_model(torch.jit.trace(network(plugin), x[0]), x) == 1  # not quantised at all


def test_pyramid_wants_widths_of_sixteen(plugin: ModuleType) -> None:
    script = traced(plugin)
    assert plugin.quantization.check_model(script, [torch.randn(1, 3, 16, 32)], input_source="pyramid") == 0
    assert plugin.quantization.check_model(script, [torch.randn(1, 3, 16, 24)], input_source="pyramid") == 2


def test_a_fixed_scale_is_not_observed(plugin: ModuleType) -> None:
    model = Net(plugin.quantization.QuantStub(scale=1 / 128)).eval()
    ready = plugin.quantization.prepare_qat_fx(model, settings(plugin)).eval()
    set_state(plugin, ready, "CALIBRATION")
    ready(100 * torch.randn(SHAPE))
    assert ready.state_dict()["quant.activation_post_process.scale"] == 1 / 128


def test_averaging_constant_zero_freezes_the_scale(plugin: ModuleType) -> None:
    qconfig = plugin.quantization.qconfig.get_default_qconfig(activation_qkwargs={"averaging_constant": 0})
    model = plugin.quantization.prepare_qat_fx(network(plugin), {"": qconfig}).eval()
    set_state(plugin, model, "CALIBRATION")
    model(torch.randn(SHAPE))
    before = {key: value.clone() for key, value in model.state_dict().items() if key.endswith("scale")}
    model(10 * torch.randn(SHAPE))
    assert all(torch.equal(model.state_dict()[key], value) for key, value in before.items())


def test_the_integer_model_loads_only_with_the_plugin(plugin: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "int_model.pt"
    torch.jit.save(traced(plugin), str(path))
    load = f"import torch; torch.jit.load({str(path)!r}); print('loaded')"
    done = subprocess.run([sys.executable, "-c", load], capture_output=True, text=True)
    assert done.returncode != 0
    assert "horizon" in done.stderr
    code = f"import sys; sys.path.insert(0, {str(PLUGIN)!r}); import horizon_plugin_pytorch; {load}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "loaded\n", done.stderr


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
