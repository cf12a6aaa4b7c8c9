"""The horizon backend keeps to the plugin's contract, which the stand-in enforces."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import qat
from qat.backends import calibration
from qat.backends.horizon import HorizonBackend, Options
from qat.backends.horizon.plugin import to_qat
from qat.data.transforms import rgb_to_centred_yuv
from qat.origin import Origin
from qat.stages import PARTIAL

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SIZE = (1, 3, 32, 64)


class Small(nn.Module):
    """What J5's rewrites are for: a channel sum, a sigmoid, a constant minuend, a BN before its ReLU."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 1)
        self.norm, self.tail = nn.BatchNorm2d(8), nn.Conv2d(8, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.first(x))
        gate = torch.sigmoid(self.second(x).sum(1)).unsqueeze(1)
        return self.tail(torch.relu(self.norm((1 - gate) * x + gate * self.second(x))))


def pictures(count: int = 4) -> list[Tensor]:
    """RGB 0 .. 255, smooth enough that a camera's colours suit them."""
    generator = torch.Generator().manual_seed(1)
    small = [torch.rand(1, 3, 4, 8, generator=generator) for _ in range(count)]
    return [(nn.functional.interpolate(x, SIZE[2:], mode="bilinear") * 255).round() for x in small]


def normalised(rgb: Tensor) -> Tensor:
    return (rgb / 255 - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)


@pytest.fixture
def network(stand_in: ModuleType) -> nn.Module:
    torch.manual_seed(0)
    return Small().eval()


def backend(source: str = "ddr") -> HorizonBackend:
    return HorizonBackend(Options(MEAN, STD, input_source=source, batches=4))


def calibrated(model: nn.Module, horizon: HorizonBackend, spec: qat.QuantSpec | None = None) -> nn.Module:
    prepared = horizon.prepare(qat.rewrite(model, torch.zeros(SIZE), "j5"), spec or qat.QuantSpec(observer="mse"))
    calibration.calibrate(prepared, map(normalised, pictures()), observe=horizon.observe)
    return prepared


def sqnr(reference: Tensor, other: Tensor) -> float:
    return float(10 * torch.log10(reference.square().sum() / (reference - other).square().sum()))


@pytest.mark.parametrize("source", ["ddr", "pyramid"])
@pytest.mark.parametrize("observer", ["min_max", "percentile", "mse", "kl", "mix"])
def test_every_stage_stays_close_to_float(network: nn.Module, source: str, observer: str) -> None:
    horizon = backend(source)
    prepared = calibrated(network, horizon, qat.QuantSpec(observer=observer))
    x = normalised(pictures()[0])
    int8 = horizon.to_torchscript(horizon.convert(prepared), torch.zeros(SIZE))
    with torch.no_grad():
        assert sqnr(network(x), horizon.fake_quantized(prepared)(x)) > 20
        assert sqnr(network(x), int8(x)) > 20


def test_it_agrees_with_fx(network: nn.Module) -> None:
    horizon, x = backend(), normalised(pictures()[0])
    spec = qat.QuantSpec(observer="min_max", weight_observer="min_max", averaging_constant=1.0)  # of the last picture
    ours = qat.prepare(qat.rewrite(network, torch.zeros(SIZE), "x86"), spec)
    qat.calibrate(ours, [x])
    theirs = horizon.prepare(qat.rewrite(network, torch.zeros(SIZE), "j5"), spec)
    calibration.calibrate(theirs, [x], observe=horizon.observe)
    with torch.no_grad():
        assert sqnr(qat.fake_quantized(ours)(x), horizon.fake_quantized(theirs)(x)) > 25


def test_the_users_model_and_graph_stay_as_they_were(network: nn.Module) -> None:
    before = {key: value.clone() for key, value in network.state_dict().items()}
    rewritten = qat.rewrite(network, torch.zeros(SIZE), "j5")
    for _ in range(2):  # the plugin would share attributes with what it is given
        backend().prepare(rewritten, qat.QuantSpec())
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    assert type(rewritten.module.get_submodule("first")) is nn.Conv2d


def test_the_march_is_set_before_prepare(network: nn.Module, stand_in: ModuleType) -> None:
    backend().prepare(qat.rewrite(network, torch.zeros(SIZE), "j5"), qat.QuantSpec())
    assert stand_in.march.get_march() is stand_in.March.BAYES


@pytest.mark.parametrize(("source", "scale"), [("ddr", None), ("pyramid", 1 / 128)])
def test_the_stubs_are_the_plugins(network: nn.Module, stand_in: ModuleType, source: str, scale: float | None) -> None:
    prepared = backend(source).prepare(qat.rewrite(network, torch.zeros(SIZE), "j5"), qat.QuantSpec())
    stubs = [module for module in prepared.modules() if isinstance(module, stand_in.quantization.QuantStub)]
    assert [stub.scale for stub in stubs] == [scale]


def test_what_the_plugin_raises_is_one_line(network: nn.Module) -> None:
    """A constant minuend put back after the rewrites."""

    class Minuend(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return 1 - x

    rewritten = qat.rewrite(nn.Sequential(nn.Conv2d(3, 3, 1), Minuend()), torch.zeros(SIZE), "j5")
    node = next(node for node in rewritten.module.graph.nodes if "mul" in node.name)
    with rewritten.module.graph.inserting_after(node):
        late = rewritten.module.graph.call_function(torch.sub, (1, node))
    node.replace_all_uses_with(late, delete_user_cb=lambda user: user is not late)
    rewritten.module.recompile()
    with pytest.raises(
        qat.UserError, match=r"plugin's prepare_qat_fx raised RuntimeError: .* a constant minus"
    ) as caught:
        backend().prepare(rewritten, qat.QuantSpec(allow_float=True))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("spec", "line"),
    [
        (qat.QuantSpec(scheme="affine"), "QUANT.SCHEME is affine; set QUANT.SCHEME symmetric"),
        (qat.QuantSpec(high_precision=("first",)), "HIGH_PRECISION names first, and J5 gives high precision only at"),
        (qat.QuantSpec(observer="median"), r"get_default_qconfig raised ValueError: unknown observer median"),
    ],
    ids=["affine", "inner float", "observer"],
)
def test_what_the_device_has_not_is_one_line(network: nn.Module, spec: qat.QuantSpec, line: str) -> None:
    with pytest.raises(qat.UserError, match=line):
        backend().prepare(qat.rewrite(network, torch.zeros(SIZE), "j5"), spec)


def test_the_observer_and_its_constant_are_named(
    network: nn.Module, stand_in: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, Any] = {}
    original = stand_in.quantization.qconfig.get_default_qconfig
    monkeypatch.setattr(
        stand_in.quantization.qconfig,
        "get_default_qconfig",
        lambda **keywords: (given.update(keywords), original(**keywords))[1],
    )
    backend().prepare(qat.rewrite(network, torch.zeros(SIZE), "j5"), qat.QuantSpec(percentile=99.9))
    assert (given["activation_observer"], given["weight_observer"]) == ("percentile", "mse")
    assert given["activation_qkwargs"] == {"averaging_constant": 2 / 5, "percentile": 99.9}


def test_the_tail_keeps_high_precision(network: nn.Module) -> None:
    prepared = calibrated(network, backend())
    scales = backend().qparams(prepared)
    assert "first" not in scales  # computed together with its ReLU
    assert {"quant", "norm"} & set(scales)
    assert "tail" not in scales
    assert all(row["zero_point"] == 0 and row["levels"] == [-128, 127] for row in scales.values())


def test_saved_and_loaded_it_says_the_same(network: nn.Module) -> None:
    horizon, x = backend(), normalised(pictures()[0])
    prepared = calibrated(network, horizon)
    again = horizon.prepare(qat.rewrite(network, torch.zeros(SIZE), "j5"), qat.QuantSpec(observer="mse"))
    again.load_state_dict(prepared.state_dict())  # with CALIBRATION's flags in it
    with torch.no_grad():
        assert torch.equal(horizon.fake_quantized(again)(x), horizon.fake_quantized(prepared)(x))


def test_a_killed_calibration_goes_on_to_identical_scales(network: nn.Module, tmp_path: Path) -> None:
    horizon, images = backend(), [normalised(picture) for picture in pictures()]
    stopped = horizon.prepare(qat.rewrite(network, torch.zeros(SIZE), "j5"), qat.QuantSpec(observer="mse"))
    calibration.calibrate(stopped, images[:2], observe=horizon.observe)
    calibration.save_calibration(stopped, tmp_path / PARTIAL, 2, Origin({}))
    resumed = horizon.prepare(qat.rewrite(network, torch.zeros(SIZE), "j5"), qat.QuantSpec(observer="mse"))
    done = calibration.resume_calibration(resumed, tmp_path / PARTIAL, Origin({}))
    calibration.calibrate(resumed, images[done:], done=done, observe=horizon.observe)
    assert horizon.qparams(resumed) == horizon.qparams(calibrated(network, horizon))


def test_validation_leaves_scales_and_calibration_alone(network: nn.Module) -> None:
    horizon = backend()
    prepared = calibrated(network, horizon)
    before = horizon.qparams(prepared)
    with torch.no_grad():
        horizon.fake_quantized(prepared)(100 * normalised(pictures()[0]))
        prepared(normalised(pictures()[0]))  # still observing
    assert horizon.qparams(prepared).keys() == before.keys()
    assert horizon.qparams(prepared) != before


def test_fine_tuning_follows_the_scales(network: nn.Module) -> None:
    prepared = calibrated(network, backend())
    before = backend().qparams(prepared)
    to_qat(prepared)
    prepared(3 * normalised(pictures()[0])).sum().backward()
    assert backend().qparams(prepared) != before


@pytest.mark.parametrize("source", ["ddr", "pyramid"])
def test_eval_after_calibration_does_not_pass_in_silence(network: nn.Module, source: str) -> None:
    horizon = backend(source)
    prepared = horizon.prepare(qat.rewrite(network, torch.zeros(SIZE), "j5"), qat.QuantSpec())
    with pytest.raises(qat.UserError, match="the plugin observed nothing: was the network's mode changed"):
        horizon.dead_observers(prepared)
    horizon.observe(prepared)
    prepared.eval()
    with pytest.raises(RuntimeError, match="observation has stopped"):
        prepared(torch.zeros(SIZE))


def test_no_dead_observers_after_calibration(network: nn.Module) -> None:
    assert backend().dead_observers(calibrated(network, backend())) == []


def test_the_boards_network_takes_the_cameras_colours(network: nn.Module) -> None:
    horizon, rgb = backend("pyramid"), pictures()[0]
    prepared = calibrated(network, horizon)
    on_board = horizon.to_torchscript(horizon.for_device(prepared), torch.zeros(SIZE))
    with torch.no_grad():
        on_host = horizon.convert(prepared)(normalised(rgb))
        full, studio = (on_board(rgb_to_centred_yuv(rgb, swing)) for swing in ("full", "studio"))
    assert sqnr(on_host, full) > 28
    assert sqnr(on_host, studio) < sqnr(on_host, full) - 3  # the wrong swing is seen


def test_pyramid_is_for_pictures(stand_in: ModuleType) -> None:
    rewritten = qat.rewrite(nn.Conv2d(4, 4, 1), torch.zeros(1, 4, 16, 32), "j5")
    with pytest.raises(qat.UserError, match=r"pyramid gives pictures and an input has shape \(1, 4, 16, 32\)"):
        backend("pyramid").prepare(rewritten, qat.QuantSpec())


def test_what_cant_be_handed_over_is_one_line(network: nn.Module) -> None:
    horizon = backend()
    tuned = qat.prepare(qat.rewrite(network, torch.zeros(SIZE), "j5"))
    qat.calibrate(tuned, [normalised(pictures()[0])])
    with pytest.raises(qat.UserError, match="the plugin's network has no layer first, whose weights"):
        horizon.take_weights(nn.Sequential(), tuned)
    with pytest.raises(qat.UserError, match="the plugin keeps no weight scales for first, expected one tensor"):
        horizon.take_weight_scales(nn.Sequential(), tuned)
