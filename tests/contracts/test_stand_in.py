"""Each mistake that the plugin punishes, or hides, is caught by the stand-in."""

from __future__ import annotations

import copy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.ao.quantization import QuantStub as TorchQuantStub

from tests.contracts.calls import SHAPE, Net, calibrated, network, prepared, set_state, settings, traced
from tests.contracts.fixture import PLUGIN


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
