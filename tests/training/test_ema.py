from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from qat.training.ema import WeightAverage, decay_at


@pytest.mark.parametrize(("update", "expected"), [(0, 0.1), (1, 2 / 11), (80, 0.9), (10**6, 0.9)])
def test_the_decay_warms_up(update: int, expected: float) -> None:
    assert decay_at(update, 0.9) == pytest.approx(expected)


def test_weights_and_statistics_follow_the_recurrence() -> None:
    model = nn.BatchNorm1d(2)
    average = WeightAverage(model, 0.5)
    expected = {"weight": np.ones(2), "running_mean": np.zeros(2)}
    for update in range(20):
        values = {"weight": np.full(2, update * 1.5), "running_mean": np.array([update, -2.0 * update])}
        for name, value in values.items():
            model.state_dict()[name].copy_(torch.from_numpy(value))
        decay = min(0.5, (1 + update) / (10 + update))
        expected = {name: decay * expected[name] + (1 - decay) * values[name] for name in expected}
        average.update(model)
    state = average.model.state_dict()
    for name, value in expected.items():
        np.testing.assert_allclose(state[name].numpy(), value, rtol=1e-5)


def test_integer_buffers_are_copied() -> None:
    model = nn.BatchNorm1d(2)
    average = WeightAverage(model, 0.99)
    model(torch.randn(4, 2))
    model(torch.randn(4, 2))
    average.update(model)
    assert int(average.model.state_dict()["num_batches_tracked"]) == 2


def test_decay_zero_is_the_newest_weights_exactly() -> None:
    model = nn.Linear(3, 3)
    average = WeightAverage(model, 0.0)
    nn.init.normal_(model.weight)
    average.update(model)
    assert torch.equal(average.model.weight, model.weight)  # type: ignore[arg-type]


def test_the_average_has_no_gradients_and_is_in_eval_mode() -> None:
    average = WeightAverage(nn.BatchNorm1d(2).train(), 0.9).model
    assert not average.training
    assert not any(parameter.requires_grad for parameter in average.parameters())
