"""Calibration: resumes to identical scales, refuses other inputs, stops at NaN with the node's name, lists the dead."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, fx, nn

import qat
from qat.backends import calibration, scales
from qat.backends.scales import quantisers
from qat.backends.spec import QuantSpec
from qat.origin import Origin
from qat.stages import CHECKPOINTS, PARTIAL

MADE_FROM = Origin({"weights": "abc"})


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 1)).eval()


def prepared(spec: QuantSpec | None = None) -> fx.GraphModule:
    return qat.prepare(qat.rewrite(network(), torch.zeros(1, 3, 16, 24), "x86"), spec)


def images(count: int = 6) -> list[Tensor]:
    generator = torch.Generator().manual_seed(3)
    return [torch.randn(1, 3, 16, 24, generator=generator) * (1 + i) for i in range(count)]


class Killed(Exception):
    pass


@pytest.mark.parametrize("observer", ["min_max", "percentile", "mse"])
@pytest.mark.parametrize("averaging", [None, 0.01])
def test_a_killed_run_goes_on_to_identical_scales(tmp_path: Path, observer: str, averaging: float | None) -> None:
    spec = QuantSpec(observer=observer, averaging_constant=averaging)
    whole = prepared(spec)
    calibration.calibrate(whole, images())

    def die_at_four(done: int) -> None:
        if done % 2 == 0:
            calibration.save_calibration(stopped, tmp_path / PARTIAL, done, MADE_FROM)
        if done == 5:
            raise Killed

    stopped = prepared(spec)
    with pytest.raises(Killed):
        calibration.calibrate(stopped, images(), die_at_four)
    resumed = prepared(spec)
    done = calibration.resume_calibration(resumed, tmp_path / PARTIAL, MADE_FROM)
    assert done == 4
    assert calibration.calibrate(resumed, images()[done:], done=done) == 6
    assert scales.qparams(resumed) == scales.qparams(whole)
    assert all(
        torch.equal(a, b) for a, b in zip(whole.state_dict().values(), resumed.state_dict().values(), strict=True)
    )


def test_a_run_with_other_inputs_starts_anew(tmp_path: Path) -> None:
    graph = prepared()
    calibration.calibrate(graph, images(2))
    calibration.save_calibration(graph, tmp_path / PARTIAL, 2, MADE_FROM)
    assert calibration.resume_calibration(prepared(), tmp_path / PARTIAL, Origin({"weights": "other"})) == 0


def test_a_calibration_of_other_weights_is_refused(tmp_path: Path) -> None:
    graph = prepared()
    calibration.calibrate(graph, images(2))
    calibration.save_calibration(graph, tmp_path / CHECKPOINTS["calib"], 2, MADE_FROM)
    with pytest.raises(qat.UserError, match="made with weights abc, now it is xyz; run make calib again"):
        calibration.load_calibration(prepared(), tmp_path / CHECKPOINTS["calib"], Origin({"weights": "xyz"}))


@pytest.mark.parametrize("damage", [b"", b"not a checkpoint"])
def test_missing_and_damaged_checkpoints_are_one_line(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / CHECKPOINTS["calib"]
    with pytest.raises(qat.UserError, match=r"no calibration at .*; run make calib"):
        calibration.load_calibration(prepared(), path, MADE_FROM)
    path.write_bytes(damage)
    with pytest.raises(qat.UserError, match=r"is damaged .*; delete it and run make calib again") as caught:
        calibration.load_calibration(prepared(), path, MADE_FROM)
    assert "\n" not in str(caught.value)


def test_a_calibration_of_another_graph_is_refused_and_leaves_no_trace(tmp_path: Path) -> None:
    graph = prepared()
    calibration.calibrate(graph, images(2))
    graph.register_buffer("another", torch.zeros(1))
    calibration.save_calibration(graph, tmp_path / PARTIAL, 2, MADE_FROM)
    fresh = prepared()
    with pytest.raises(qat.UserError, match="belongs to another graph"):
        calibration.load_calibration(fresh, tmp_path / PARTIAL, MADE_FROM)
    assert calibration.resume_calibration(fresh, tmp_path / PARTIAL, MADE_FROM) == 0
    assert all(quantiser.observer.dead for _, quantiser in quantisers(fresh))


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_nan_stops_with_the_nodes_name(bad: float) -> None:
    graph = prepared()
    first = next(module for module in graph.modules() if isinstance(module, nn.Conv2d))
    with torch.no_grad():
        first.weight[0, 0, 0, 0] = bad
    with pytest.raises(qat.UserError, match="activation _0 holds NaN or infinity"):
        calibration.calibrate(graph, images(1))


def test_dead_observers_are_listed() -> None:
    graph = prepared()
    with torch.no_grad():
        first = next(module for module in graph.modules() if isinstance(module, nn.Conv2d))
        first.weight.zero_()
        first.bias.fill_(-1)
    assert [why for _, why in scales.dead_observers(graph)] == ["never seen", "never seen"]
    calibration.calibrate(graph, images(2))
    assert scales.dead_observers(graph) == [("_0", "zero range")]


def test_memory_does_not_grow_with_images() -> None:
    graph = prepared()
    calibration.calibrate(graph, images(1))
    before = {key: value.shape for key, value in graph.state_dict().items()}
    calibration.calibrate(graph, images(6))
    assert {key: value.shape for key, value in graph.state_dict().items()} == before


def test_no_images_is_an_error() -> None:
    with pytest.raises(qat.UserError, match="calibration got no images"):
        calibration.calibrate(prepared(), [])


def test_qparams_say_what_the_int8_graph_uses() -> None:
    graph = prepared(QuantSpec(observer="min_max"))
    calibration.calibrate(graph, images())
    rows = scales.qparams(graph)
    converted = qat.convert(graph)
    node = "_0"  # the first convolution, its ReLU fused
    quantised = next(module for module in converted.modules() if hasattr(module, "zero_point"))
    assert quantised.scale == pytest.approx(rows[node]["scale"])
    assert quantised.zero_point == rows[node]["zero_point"]
    assert rows[node]["range"][0] < rows[node]["seen"][0] + rows[node]["scale"]
    assert rows[node]["dtype"] == "quint8"
    assert len(rows) == len({id(q) for _, q in quantisers(graph)})
