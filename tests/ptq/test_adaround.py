"""AdaRound: never a larger error than the nearest levels, on the grid, streamed, and the same after an interruption."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, fx, nn

import qat
from qat.backends.fx import float_view
from qat.backends.scales import freeze_scales
from qat.backends.weight_scales import weighted
from qat.errors import UserError
from qat.graph.node_runner import BatchesRunner
from qat.observers.weights import fake_quantise
from qat.ptq.adaround import AdaRoundOptions, adaround
from qat.ptq.adaround.levels import descend, feedback
from qat.ptq.adaround.moments import BATCHES, gram, measured
from qat.ptq.adaround.patches import patches, positions

SHAPE = (1, 3, 24, 32)
OPTIONS = AdaRoundOptions(samples=4000)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8), nn.ReLU())
        self.second = nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=4, bias=False)
        self.up = nn.ConvTranspose2d(8, 8, 2, 2)
        self.last = nn.Conv2d(8, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.first(x)
        y = torch.relu(y + self.second(y))
        return self.last(torch.sigmoid(self.up(nn.functional.avg_pool2d(y, 2))) * y)


def pictures() -> Iterator[Tensor]:
    generator = torch.Generator().manual_seed(0)
    mix = torch.randn(3, 3, generator=generator)
    for _ in range(6):
        smooth = nn.functional.avg_pool2d(torch.randn(1, 3, 28, 36, generator=generator), 5, 1)
        yield torch.einsum("oc,nchw->nohw", mix, smooth)


@pytest.fixture
def prepared() -> fx.GraphModule:
    torch.manual_seed(0)
    graph = qat.prepare(qat.rewrite(Net().eval(), torch.randn(SHAPE), "x86"))
    qat.calibrate(graph, pictures())
    freeze_scales(graph)
    for layer in weighted(graph):
        layer.weight_scale.mul_(8)  # levels far apart: rounding is what is lost
    return graph


def run(graph: fx.GraphModule, state: Path, progress=lambda *_: None):
    return adaround(graph, pictures, OPTIONS, progress, state)


@torch.no_grad()
def output_error(graph: fx.GraphModule, float_network: fx.GraphModule) -> float:
    model = qat.fake_quantized(graph)
    return sum(float((model(x) - float_network(x)).square().sum()) for x in pictures())


def test_no_layer_is_worse_than_nearest(prepared: fx.GraphModule, tmp_path: Path) -> None:
    reports = run(prepared, tmp_path / "state")
    assert [report.name for report in reports] == ["first_0", "second", "last"]
    assert all(report.rounded_db >= report.nearest_db for report in reports)
    assert reports[0].rounded_db > reports[0].nearest_db + 1


def test_the_network_comes_nearer_to_float(prepared: fx.GraphModule, tmp_path: Path) -> None:
    float_network = float_view(prepared)
    before = output_error(prepared, float_network)
    run(prepared, tmp_path / "state")
    assert output_error(prepared, float_network) < 0.9 * before


def test_weights_end_on_their_levels(prepared: fx.GraphModule, tmp_path: Path) -> None:
    before = copy.deepcopy(prepared)
    run(prepared, tmp_path / "state")
    for layer, old in zip(weighted(prepared), weighted(before), strict=True):
        assert torch.equal(layer.weight_scale, old.weight_scale)
        if not isinstance(layer, nn.ConvTranspose2d):
            assert torch.equal(fake_quantise(layer.weight, layer.weight_scale), layer.weight)
            assert not torch.equal(layer.weight, fake_quantise(old.weight, old.weight_scale))


class Killed(Exception):
    pass


@pytest.mark.parametrize("at", [1, 2])
def test_an_interrupted_run_ends_the_same(prepared: fx.GraphModule, tmp_path: Path, at: int) -> None:
    whole, again = copy.deepcopy(prepared), copy.deepcopy(prepared)
    reports = run(whole, tmp_path / "whole")

    def kill(done: int, *_: object) -> None:
        if done == at:
            raise Killed

    with pytest.raises(Killed):
        run(again, tmp_path / "state", kill)
    calls: list[int] = []
    assert run(prepared, tmp_path / "state", lambda done, *_: calls.append(done)) == reports
    assert calls == [1, 2, 3]
    for name, value in whole.state_dict().items():
        assert torch.equal(value, prepared.state_dict()[name]), name
    assert not (tmp_path / "state").exists()


def test_a_damaged_or_foreign_state_starts_anew(prepared: fx.GraphModule, tmp_path: Path) -> None:
    whole = copy.deepcopy(prepared)
    reports = run(whole, tmp_path / "whole")
    (tmp_path / "state").write_bytes(b"damaged")
    assert run(prepared, tmp_path / "state") == reports


def test_a_seed_moves_the_positions(prepared: fx.GraphModule) -> None:
    first = adaround(copy.deepcopy(prepared), pictures, OPTIONS)
    assert adaround(copy.deepcopy(prepared), pictures, OPTIONS) == first
    assert adaround(prepared, pictures, replace(OPTIONS, seed=1)) != first


def test_no_pictures_is_an_error(prepared: fx.GraphModule, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no pictures"):
        adaround(prepared, lambda: [], OPTIONS, lambda *_: None, tmp_path / "state")


def test_memory_bounds_the_pictures(prepared: fx.GraphModule, tmp_path: Path) -> None:
    few, one = copy.deepcopy(prepared), copy.deepcopy(prepared)
    adaround(few, pictures, replace(OPTIONS, memory=1), lambda *_: None, tmp_path / "state")
    adaround(one, lambda: list(pictures())[:1], OPTIONS, lambda *_: None, tmp_path / "state")
    assert torch.equal(few.get_submodule("last").weight, one.get_submodule("last").weight)


def test_a_walk_keeps_only_what_is_still_read(prepared: fx.GraphModule) -> None:
    graph, batches = qat.fake_quantized(prepared), list(pictures())
    walk, most = BatchesRunner(graph, batches), 0
    while walk.run_next():
        most = max(most, walk.bytes())
    everything = sum(x.nbytes for x in batches) * 8
    assert 0 < most < everything
    assert walk.bytes() <= sum(graph(x).nbytes for x in batches)


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(4, 6, 3, padding=1),
        nn.Conv2d(4, 6, (3, 1), stride=(2, 1), padding=(1, 2)),
        nn.Conv2d(4, 8, 3, dilation=2, groups=4),
        nn.Conv2d(4, 6, 3, padding="same", padding_mode="reflect"),
    ],
    ids=["padded", "strided", "grouped", "reflecting"],
)
def test_patches_are_what_a_convolution_multiplies(layer: nn.Conv2d) -> None:
    x = torch.randn(2, 4, 9, 11)
    where = positions(layer, x, 50, torch.Generator().manual_seed(0))
    rows = layer.weight.view(layer.groups, -1, layer.weight[0].numel())
    outputs = (patches(layer, x, where) @ rows.mT).transpose(0, 1).flatten(1) + layer.bias
    image, row, column = where.T
    torch.testing.assert_close(outputs, layer(x)[image, :, row, column])
    assert (where.amax(0) + 1 <= torch.tensor([2, *layer(x).shape[-2:]])).all()


def test_layers_on_their_levels_are_left_alone(prepared: fx.GraphModule) -> None:
    for layer in weighted(prepared):
        layer.weight.data = fake_quantise(layer.weight, layer.weight_scale)
    assert adaround(prepared, pictures, OPTIONS) == []


@pytest.mark.parametrize(
    ("layer", "groups"),
    [(nn.Conv2d(6, 4, 1), 1), (nn.Conv2d(6, 12, 1, groups=6, bias=False), 6), (nn.Linear(6, 4), 1)],
    ids=["convolution", "grouped, no bias", "linear"],
)
def test_moments_of_pictures_of_one_pixel(layer: nn.Module, groups: int) -> None:
    shape = (1, 1, 6) if isinstance(layer, nn.Linear) else (1, 6, 1, 1)
    inputs = [(torch.randn(shape), torch.randn(shape)) for _ in range(2 * BATCHES + 1)]
    found = measured(layer, inputs, 200, 0)
    x = torch.stack([one.flatten() for one, _ in inputs]).double().view(-1, groups, 6 // groups)
    y = torch.stack([layer(one).flatten() for _, one in inputs]).detach().double().view(len(x), groups, -1)
    mean_x, mean_y = (torch.zeros(()),) * 2 if layer.bias is None else (x.mean(0), y.mean(0))
    close = partial(torch.testing.assert_close, atol=1e-5, rtol=1e-5)
    close(found.xx, torch.einsum("ngi,ngj->gij", x - mean_x, x - mean_x) / len(x))
    close(found.xy, torch.einsum("ngo,ngj->goj", y - mean_y, x - mean_x) / len(x))
    close(found.yy, (y - mean_y).square().mean(0))
    if layer.bias is not None:
        close(found.mean_x, mean_x)
        close(found.mean_y, mean_y)


def test_gram_is_the_whole_product() -> None:
    x = torch.randn(2, 20, 900, generator=torch.Generator().manual_seed(0))
    assert torch.equal(gram(x), gram(x).mT)
    torch.testing.assert_close(gram(x), x.mT @ x)


def moments(size: int, outputs: int, seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(2, 4 * size, size, generator=generator, dtype=torch.float64)
    x = x @ torch.randn(2, size, size, generator=generator, dtype=torch.float64)
    return x.mT @ x, 20 * torch.randn(2, size, outputs, generator=generator)


def error(levels: Tensor, real: Tensor, xx: Tensor) -> Tensor:
    off = levels.double() - real
    return (off * (xx @ off)).sum(1)


@settings(max_examples=20)
@given(size=st.sampled_from([1, 3, 32, 40, 70]), outputs=st.integers(1, 5), seed=st.integers(0, 1000))
def test_descent_ends_where_no_step_helps(size: int, outputs: int, seed: int) -> None:
    xx, real = moments(size, outputs, seed)
    nearest = real.round().clamp(-128, 127)
    levels = descend(nearest, real, xx, 100)
    assert (error(levels, real, xx) <= error(nearest, real, xx) * (1 + 1e-6)).all()
    assert torch.equal(levels, levels.round())
    assert levels.min() >= -128
    assert levels.max() <= 127
    for row in range(size):
        for step in (-1.0, 1.0):
            other = levels.clone()
            other[:, row] = (other[:, row] + step).clamp(-128, 127)
            assert (error(other, real, xx) >= error(levels, real, xx) * (1 - 1e-5)).all()


def test_feedback_beats_nearest_where_inputs_are_correlated() -> None:
    xx, real = moments(96, 8, 0)
    assert error(feedback(real, xx), real, xx).sum() < 0.5 * error(real.round(), real, xx).sum()


def test_feedback_is_gptqs() -> None:
    xx, real = moments(50, 4, 1)
    expected, weights = torch.empty_like(real), real.double()
    upper = torch.linalg.cholesky(torch.linalg.inv(xx), upper=True)
    for row in range(50):  # GPTQ, Frantar et al. 2022, algorithm 1
        expected[:, row] = weights[:, row].round().clamp(-128, 127)
        off = (weights[:, row] - expected[:, row]) / upper[:, row, row, None]
        weights = weights - upper[:, row, :, None] * off[:, None]
    assert (feedback(real, xx) != expected).float().mean() < 0.02  # but for ties of float32
