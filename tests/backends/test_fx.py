"""The int8 path on small networks and on PIDNet: one dequantise, calib equals int8, what stays float."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, fx, nn

import qat
from qat.backends.fx import to_torchscript
from qat.backends.quantiser import OnGrid
from qat.backends.scales import qparams, quantisers
from qat.errors import UserError
from qat.observers.weights import weight_scales
from qat.program.lower import program_of

SIZE = (1, 3, 64, 96)


class Small(nn.Module):
    """A convolution, an attention with a constant minuend, a standalone BN, a tail."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.gate = nn.Conv2d(8, 1, 1)
        self.norm = nn.BatchNorm2d(8)
        self.tail = nn.Conv2d(8, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.first(x))
        gate = torch.sigmoid(self.gate(x))
        return self.tail(torch.relu(self.norm((1 - gate) * x + gate * (x * x))))


def batches(count: int = 4, shape: tuple[int, ...] = SIZE) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(shape, generator=generator) for _ in range(count)]


def calibrated(model: nn.Module, spec: qat.QuantSpec, shape: tuple[int, ...] = SIZE) -> fx.GraphModule:
    prepared = qat.prepare(qat.rewrite(model, torch.randn(shape), "x86"), spec)
    qat.calibrate(prepared, batches(shape=shape))
    return prepared


def sqnr(reference: Tensor, other: Tensor) -> float:
    return float(10 * torch.log10(reference.square().sum() / (reference - other).square().sum()).detach())


@pytest.fixture
def small() -> nn.Module:
    torch.manual_seed(0)
    return Small().eval()


@pytest.mark.parametrize("scheme", ["symmetric", "affine"])
@pytest.mark.parametrize("observer", ["min_max", "percentile", "mse", "kl", "mix"])
def test_int8_stays_close_to_float_and_to_calib(small: nn.Module, scheme: str, observer: str) -> None:
    prepared = calibrated(small, qat.QuantSpec(scheme=scheme, observer=observer))
    x = batches()[0]
    with torch.no_grad():
        reference, calib, int8 = small(x), qat.fake_quantized(prepared)(x), qat.convert(prepared)(x)
    assert sqnr(reference, calib) > 25
    assert sqnr(reference, int8) > 25
    assert sqnr(calib, int8) > 35


def test_a_network_of_one_convolution() -> None:
    """It is the tail, which gives float, and reads the input, which is rounded all the same."""
    torch.manual_seed(0)
    model, x = nn.Conv2d(3, 4, 3).eval(), batches()[0]
    prepared = calibrated(model, qat.QuantSpec())
    with torch.no_grad():
        reference, calib, int8 = model(x), qat.fake_quantized(prepared)(x), qat.convert(prepared)(x)
    assert 25 < sqnr(reference, calib) < 60  # the input's rounding and the weights'
    assert sqnr(calib, int8) > 60
    assert [step.quant is None for step in program_of(prepared, x).steps] == [False, True]


class TwoEnds(nn.Module):
    """Two tails, of which one reads the input."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.beside = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 4, 3), nn.Conv2d(3, 4, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.second(torch.relu(self.first(x))), self.beside(x)


def test_a_tail_reads_the_input_as_the_others_do() -> None:
    prepared = calibrated(TwoEnds().eval(), qat.QuantSpec())
    x = batches()[0]
    grid = program_of(prepared, x)["x"].quant
    assert grid
    rounded = torch.fake_quantize_per_tensor_affine(x, grid.scale, grid.zero_point, grid.low, grid.high)
    calib = qat.fake_quantized(prepared)
    for given, same in zip(calib(x), calib(rounded), strict=True):
        assert torch.equal(given, same)


def dequantised(converted: fx.GraphModule) -> list[str]:
    nodes = [node for node in converted.graph.nodes if node.target == "dequantize"]
    return [str(user.target) for node in nodes for user in node.users]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["pidnet_s", "pidnet_m", "pidnet_l"])
def test_pidnet_has_one_dequantise_at_the_tail(name: str) -> None:
    torch.manual_seed(0)
    model = qat.build_model(name, 19).eval()
    prepared = calibrated(model, qat.QuantSpec(observer="min_max", weight_observer="min_max"), (1, 3, 64, 128))
    assert dequantised(qat.convert(prepared)) == ["final_layer.conv2"]


@pytest.mark.slow
def test_the_untouched_network_has_six() -> None:
    from qat.ao import convert_fx, prepare_fx

    model = qat.build_model("pidnet_s", 19).eval()
    x = torch.randn(1, 3, 64, 128)
    mapping = torch.ao.quantization.get_default_qconfig_mapping("x86")
    prepared = prepare_fx(model, mapping, (x,))
    prepared(x)
    assert len(dequantised(convert_fx(prepared))) == 6


def test_symmetric_is_the_grid_of_j5(small: nn.Module) -> None:
    """quint8 with zero point 128 (64 of 128 levels without VNNI): the levels of symmetric int8."""
    spec = qat.QuantSpec(scheme="symmetric")
    for _, quantiser in quantisers(calibrated(small, spec)):
        if not isinstance(quantiser, OnGrid):
            assert int(quantiser.zero_point) == (spec.grid.high + 1) // 2
            assert quantiser.qscheme == torch.per_tensor_symmetric


def test_one_minus_sigmoid_is_exact_in_int8() -> None:
    class Gate(nn.Module):
        def __init__(self, minuend: bool) -> None:
            super().__init__()
            self.first, self.minuend = nn.Conv2d(3, 8, 1), minuend

        def forward(self, x: Tensor) -> Tensor:
            gate = torch.sigmoid(self.first(x))
            return 1 - gate if self.minuend else gate

    one_minus, plain = Gate(True).eval(), Gate(False).eval()
    plain.load_state_dict(one_minus.state_dict())
    x = batches()[0]
    with torch.no_grad():
        gate = qat.convert(calibrated(plain, qat.QuantSpec()))(x)  # torch runs a last sigmoid in float: not rounded
        difference = qat.convert(calibrated(one_minus, qat.QuantSpec()))(x) - (1 - gate)
    half_a_step = qat.QuantSpec().unit_qparams[0] / 2
    assert difference.abs().max() <= half_a_step + 1e-6
    assert difference.mean().abs() < half_a_step / 20


@pytest.mark.parametrize(
    ("operation", "scale"), [(torch.sigmoid, 1 / 127), (torch.tanh, 2 / 256), (nn.functional.hardsigmoid, 1 / 256)]
)
def test_bounded_operations_keep_their_grid_whatever_was_seen(operation: Any, scale: float) -> None:
    class Bounded(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 2, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.last(operation(self.first(x)) * 2)

    rows = qparams(calibrated(Bounded().eval(), qat.QuantSpec()))
    found = [row for name, row in rows.items() if name.startswith(operation.__name__)]
    assert [(row["observer"], row["scale"]) for row in found] == [("fixed", pytest.approx(scale))]


def test_a_sigmoid_of_the_input_leaves_the_input_its_own_range() -> None:
    class Direct(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.sigmoid(x)

    prepared = calibrated(Direct().eval(), qat.QuantSpec())
    x = batches()[0]
    assert qparams(prepared)["x"]["range"][1] > 2
    assert sqnr(torch.sigmoid(x), qat.convert(prepared)(x)) > 30


@pytest.mark.slow
def test_a_graph_for_j5_runs_here_too() -> None:
    """torch has no int8 channel sum, so what follows it is float here: slower, but it must run and agree."""
    torch.manual_seed(0)
    model, x = qat.build_model("pidnet_s", 5).eval(), torch.randn(1, 3, 64, 128)
    prepared = qat.prepare(qat.rewrite(model, x, "j5"), qat.QuantSpec(weight_observer="min_max"))
    qat.calibrate(prepared, [x])
    with torch.no_grad():
        assert sqnr(qat.fake_quantized(prepared)(x), qat.convert(prepared)(x)) > 8  # random weights amplify rounding


def test_the_tail_gives_float_from_int8_weights(small: nn.Module) -> None:
    converted = qat.convert(calibrated(small, qat.QuantSpec()))
    tail = converted.get_submodule("tail")
    assert type(tail) is nn.Conv2d
    for kernel, original in zip(tail.weight.flatten(1), small.tail.weight.flatten(1), strict=True):
        step = weight_scales(original.view(1, -1), "mse")
        levels = kernel / step
        assert torch.allclose(levels, levels.round(), atol=1e-3)
        assert levels.abs().max() <= 128.5
    assert not torch.equal(tail.weight, small.tail.weight)


def test_more_layers_can_keep_float_output(small: nn.Module) -> None:
    converted = qat.convert(calibrated(small, qat.QuantSpec(high_precision=("gate",))))
    assert type(converted.get_submodule("gate")) is nn.Conv2d


def test_an_unknown_layer_names_the_nearest(small: nn.Module) -> None:
    with pytest.raises(qat.UserError, match=r"HIGH_PRECISION names gat, .* did you mean gate\?"):
        calibrated(small, qat.QuantSpec(high_precision=("gat",)))


def test_an_unknown_observer_names_the_nearest(small: nn.Module) -> None:
    with pytest.raises(qat.UserError, match=r"backend fx has no observer minmax; did you mean min_max\?"):
        calibrated(small, qat.QuantSpec(observer="minmax"))


def test_the_users_model_stays_as_it_was(small: nn.Module) -> None:
    before = {key: value.clone() for key, value in small.state_dict().items()}
    qat.convert(calibrated(small, qat.QuantSpec()))
    assert all(torch.equal(value, before[key]) for key, value in small.state_dict().items())
    assert type(small.first) is nn.Conv2d


def test_converting_leaves_the_prepared_graph_usable(small: nn.Module) -> None:
    prepared = calibrated(small, qat.QuantSpec())
    x = batches()[0]
    with torch.no_grad():
        first = qat.convert(prepared)(x)
        qat.fake_quantized(prepared)
        assert torch.equal(qat.convert(prepared)(x), first)


def test_torchscript_says_the_same_bit_for_bit(small: nn.Module) -> None:
    converted = qat.convert(calibrated(small, qat.QuantSpec()))
    script = to_torchscript(converted, batches()[0])
    for x in batches():
        with torch.no_grad():
            assert torch.equal(script(x), converted(x))


OPERATIONS = [nn.Tanh(), nn.Sigmoid(), nn.Hardsigmoid(), nn.Softmax(1), nn.Hardswish(), nn.LeakyReLU()]


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: type(operation).__name__)
def test_operations_with_a_grid_of_their_own(operation: nn.Module) -> None:
    """torch.ao drops these to float when the observer isn't its own: they must stay int8, and calib must agree."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 3), operation, nn.Conv2d(8, 8, 1), nn.Conv2d(8, 4, 1)).eval()
    prepared = calibrated(model, qat.QuantSpec())
    converted, x = qat.convert(prepared), batches()[0]
    assert dequantised(converted) == ["3"]
    with torch.no_grad():
        assert sqnr(qat.fake_quantized(prepared)(x), converted(x)) > 35


def test_transposed_convolution() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.ConvTranspose2d(8, 8, 2, stride=2), nn.ReLU(), nn.Conv2d(8, 4, 1)
    ).eval()
    prepared = calibrated(model, qat.QuantSpec())
    x = batches()[0]
    with torch.no_grad():
        assert sqnr(model(x), qat.convert(prepared)(x)) > 25
        assert sqnr(qat.fake_quantized(prepared)(x), qat.convert(prepared)(x)) > 40


def test_what_torch_stumbles_over_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def stumbles(*_: object, **__: object) -> None:
        raise AttributeError("'immutable_list' object has no attribute 'args'\nmore")

    rewritten = qat.rewrite(nn.Conv2d(3, 4, 1).eval(), torch.zeros(SIZE), "x86")
    monkeypatch.setattr("qat.backends.fx.graph.prepare_fx", stumbles)
    with pytest.raises(UserError, match=r"^torch\.ao's prepare_fx can't take this network .AttributeError: .*'args'"):
        qat.prepare(rewritten)
