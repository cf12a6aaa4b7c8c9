from __future__ import annotations

import pytest
import torch
from torch import Tensor

from qat.errors import UserError
from qat.observers.grid import Grid
from qat.observers.histogram import BINS
from qat.observers.observer import ActivationObserver
from qat.observers.ranges import RANGES

GRIDS = [Grid(0, 255, True), Grid(0, 255, False)]
AVERAGING = [None, 0.1]


def batches(count: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(2, 3, 8, 8, generator=generator) * (1 + i % 3) for i in range(count)]


def watched(observer: ActivationObserver, inputs: list[Tensor]) -> ActivationObserver:
    for x in inputs:
        observer.observe(x)
    return observer


@pytest.mark.parametrize("method", RANGES)
def test_state_doesn_t_grow_with_what_is_seen(method: str) -> None:
    observer = ActivationObserver(method, GRIDS[0])
    before = {key: (value.shape, value.dtype) for key, value in observer.state_dict().items()}
    watched(observer, batches(20))
    assert {key: (value.shape, value.dtype) for key, value in observer.state_dict().items()} == before
    assert int(observer.batches) == 20


@pytest.mark.parametrize("averaging", AVERAGING)
@pytest.mark.parametrize("grid", GRIDS, ids=str)
@pytest.mark.parametrize("method", RANGES)
def test_a_restored_state_goes_on_to_the_identical_range(method: str, grid: Grid, averaging: float | None) -> None:
    inputs = batches(9)
    straight = watched(ActivationObserver(method, grid, averaging=averaging), inputs)
    first = watched(ActivationObserver(method, grid, averaging=averaging), inputs[:4])
    second = ActivationObserver(method, grid, averaging=averaging)
    second.load_state_dict(first.state_dict())
    watched(second, inputs[4:])
    assert second.range() == straight.range()
    assert all(torch.equal(value, straight.state_dict()[key]) for key, value in second.state_dict().items())


@pytest.mark.parametrize("method", RANGES)
def test_order_and_batch_size_don_t_matter_when_all_weigh_the_same(method: str) -> None:
    inputs = batches(6)
    ranges = {
        watched(ActivationObserver(method, GRIDS[0]), order).range()
        for order in (inputs, inputs[::-1], [torch.cat(inputs)], [torch.cat(inputs[:2]), *inputs[2:]])
    }
    assert len(ranges) == 1


def test_the_averaging_constant_is_a_new_batch_s_weight() -> None:
    observer = ActivationObserver("percentile", GRIDS[0], averaging=0.25)
    watched(observer, [torch.tensor([-1.0, 2.0]), torch.tensor([-3.0, 6.0]), torch.tensor([1.0, 1.0])])
    assert observer.extremes.tolist() == pytest.approx(
        [0.75 * (0.75 * -1 + 0.25 * -3) + 0.25 * 1, 0.75 * (0.75 * 2 + 0.25 * 6) + 0.25 * 1]
    )
    width = 8 / (BINS // 2)
    weights = {value: observer.counts[int(value / width) + BINS // 2].item() for value in (-1.0, 2.0, -3.0, 6.0, 1.0)}
    first, second, third = 0.75 * 0.75, 0.75 * 0.25, 0.25
    assert weights == pytest.approx({-1.0: first, 2.0: first, -3.0: second, 6.0: second, 1.0: 2 * third})


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("method", RANGES)
def test_nan_and_infinity_stop_with_the_node_s_name(method: str, wrong: float) -> None:
    observer = ActivationObserver(method, GRIDS[0])
    observer.name = "layer1_0_conv1"
    x = torch.zeros(1, 2, 4, 4)
    x[0, 1, 2, 3] = wrong
    with pytest.raises(UserError, match="activation layer1_0_conv1 holds NaN or infinity"):
        observer.observe(x)
    assert observer.dead == "never seen"


@pytest.mark.parametrize("method", RANGES)
def test_dead_observers_say_why(method: str) -> None:
    observer = ActivationObserver(method, GRIDS[0])
    assert (observer.dead, observer.range()) == ("never seen", (0.0, 0.0))
    observer.observe(torch.zeros(2, 3))
    assert (observer.dead, observer.range()) == ("zero range", (0.0, 0.0))
    observer.observe(torch.tensor([0.5, -0.25]))
    assert observer.dead is None
    assert observer.range() != (0.0, 0.0)


@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_zeros_first_change_nothing_but_the_share_of_zeros(grid: Grid) -> None:
    observer = watched(ActivationObserver("mse", grid), [torch.zeros(100), *batches(1)])
    assert observer.counts[BINS // 2] >= 100
    assert observer.range() == watched(ActivationObserver("mse", grid), [*batches(1), torch.zeros(100)]).range()


def test_the_percentile_is_the_one_given() -> None:
    x = torch.linspace(-1, 1, 10_001)
    observer = watched(ActivationObserver("percentile", GRIDS[0], percentile=90.0), [x])
    assert observer.range() == pytest.approx((-0.9, 0.9), abs=1e-3)


@pytest.mark.parametrize("grid", GRIDS, ids=str)
@pytest.mark.parametrize("method", RANGES)
@pytest.mark.parametrize("split", [0, 1, 3, 6])
def test_observers_of_two_parts_merge_to_the_observer_of_the_whole(method: str, grid: Grid, split: int) -> None:
    inputs = [x * 2.0 ** (i - 3) for i, x in enumerate(batches(6))]
    whole = watched(ActivationObserver(method, grid), inputs)
    first = watched(ActivationObserver(method, grid), inputs[:split])
    first.merge(watched(ActivationObserver(method, grid), inputs[split:]))
    assert all(torch.equal(value, whole.state_dict()[key]) for key, value in first.state_dict().items())
    assert first.range() == whole.range()


@pytest.mark.parametrize("averaging", [None, 0.1])
def test_only_plain_observers_of_one_kind_merge(averaging: float | None) -> None:
    observer = ActivationObserver("mse", GRIDS[0], averaging=averaging)
    other = ActivationObserver("mse" if averaging else "percentile", GRIDS[0], averaging=averaging)
    with pytest.raises(UserError, match="can't be merged"):
        observer.merge(other)
    with pytest.raises(UserError, match="can't be merged"):
        ActivationObserver("auto", GRIDS[0]).merge(ActivationObserver("auto", GRIDS[0]))


@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_auto_knows_every_candidate_s_range_from_one_pass(grid: Grid) -> None:
    auto = watched(ActivationObserver("auto", grid, 99.5, 0.3), batches(5))
    assert {(one.percentile, one.averaging) for one in auto.candidates if one.percentile} >= {(99.5, None), (99.9, 0.3)}
    for candidate in auto.candidates:
        alone = ActivationObserver(candidate.method, grid, candidate.percentile or 0.0, candidate.averaging)
        assert auto.range_of(candidate) == watched(alone, batches(5)).range()
        auto.choose(candidate)
        assert (auto.range(), auto.choice) == (alone.range(), candidate)
        assert torch.equal(auto.extremes, alone.extremes)
        assert candidate.method == "min_max" or torch.equal(auto.counts, alone.counts)


def test_auto_s_state_holds_the_choice_and_doesn_t_grow() -> None:
    auto = ActivationObserver("auto", GRIDS[0])
    before = {key: value.shape for key, value in auto.state_dict().items()}
    watched(auto, batches(5)).choose(auto.candidates[4])
    assert {key: value.shape for key, value in auto.state_dict().items()} == before
    restored = ActivationObserver("auto", GRIDS[0])
    restored.load_state_dict(auto.state_dict())
    assert (restored.choice, restored.range()) == (auto.choice, auto.range())


def test_auto_without_a_choice_has_no_range() -> None:
    auto = watched(ActivationObserver("auto", GRIDS[0]), batches(1))
    with pytest.raises(UserError, match="auto has chosen no observer yet; run make calib"):
        auto.range()
