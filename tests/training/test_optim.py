from __future__ import annotations

import pytest
import torch
from torch import nn

from qat.training.optim import OptimizerConfig, Plan, make_optimizer, poly_lr, set_lr


@pytest.mark.parametrize(
    ("iteration", "expected"),
    [(0, 0.01), (500, 0.01 * 0.5**0.9), (999, 0.01 * 0.001**0.9)],
    ids=["first", "half", "last"],
)
def test_poly_lr(iteration: int, expected: float) -> None:
    assert poly_lr(iteration, 1000, 0.01, 0.9) == pytest.approx(expected)


def test_the_rate_can_fall_to_a_least_value() -> None:
    rates = [poly_lr(i, 1000, 0.01, 1.0, least=0.002) for i in (0, 500, 999)]
    assert rates == pytest.approx([0.01, 0.006, 0.002 + 0.008 * 0.001])


def test_warm_up_is_linear_then_poly() -> None:
    rates = [poly_lr(i, 100, 1.0, 0.9, warmup=10) / poly_lr(i, 100, 1.0, 0.9) for i in range(12)]
    assert rates == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1, 1])


@pytest.mark.parametrize(("name", "norm_decays"), [("sgd", True), ("adamw", False)])
def test_weight_decay(name: str, norm_decays: bool) -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    optimizer = make_optimizer(model, OptimizerConfig(name, lr=0.1, weight_decay=0.5))
    before = {key: value.detach().clone() for key, value in model.named_parameters()}
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    after = dict(model.named_parameters())
    torch.testing.assert_close(after["0.weight"], before["0.weight"] * 0.95)
    torch.testing.assert_close(after["1.weight"], before["1.weight"] * (0.95 if norm_decays else 1))


def test_what_is_fixed_is_left_out() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    model.get_parameter("1.weight").requires_grad_(False)
    optimizer = make_optimizer(model, OptimizerConfig())
    assert sum(len(group["params"]) for group in optimizer.param_groups) == 3


@pytest.mark.parametrize("nesterov", [True, False])
def test_sgd_momentum(nesterov: bool) -> None:
    model = nn.Linear(1, 1, bias=False)
    config = OptimizerConfig(lr=0.1, weight_decay=0.0, momentum=0.5, nesterov=nesterov)
    optimizer = make_optimizer(model, config)
    start = model.weight.item()
    for _ in range(2):
        model.weight.grad = torch.ones(1, 1)
        optimizer.step()
    travelled = 0.1 * ((1.5 + 1.75) if nesterov else (1 + 1.5))
    assert model.weight.item() == pytest.approx(start - travelled)


def test_set_lr_reaches_every_group() -> None:
    optimizer = make_optimizer(nn.Conv2d(3, 4, 1), OptimizerConfig("adamw"))
    set_lr(optimizer, 0.125)
    assert [group["lr"] for group in optimizer.param_groups] == [0.125, 0.125]


def plan(**values: float) -> Plan:
    return Plan(**{"stage": "qat", "epochs": 5, "eval_every": 1, "ema": 0.0, "lr": 0.001, "power": 1.0, **values})


def test_the_rate_falls_to_its_least() -> None:
    rates = [plan(min_lr=0.0001).lr_at(i, 10) for i in (0, 5, 9)]
    assert rates == pytest.approx([0.001, 0.00055, 0.00019])


def test_warm_up() -> None:
    assert plan(lr=0.5, warmup=10).lr_at(0, 100) == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("every", "expected"), [(0, []), (1, [0, 1, 2, 3, 4]), (2, [1, 3, 4]), (9, [4])], ids=["never", "1", "2", "last"]
)
def test_evaluations(every: int, expected: list[int]) -> None:
    assert [epoch for epoch in range(5) if plan(eval_every=every).evaluates(epoch)] == expected


def test_heads_learn_faster_and_norms_do_not_decay() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Conv2d(4, 2, 1))
    config = OptimizerConfig(lr=0.1, weight_decay=0.5, decay_kernels_only=True, fast=("2.",))
    optimizer = make_optimizer(model, config)
    found = [(len(group["params"]), group["lr"], group["weight_decay"]) for group in optimizer.param_groups]
    assert found == [(1, 0.1, 0.5), (3, 0.1, 0.0), (1, 1.0, 0.5), (1, 1.0, 0.0)]
    set_lr(optimizer, 0.25)
    assert [group["lr"] for group in optimizer.param_groups] == [0.25, 0.25, 2.5, 2.5]


def test_adamw_has_one_rate() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 2, 1))
    optimizer = make_optimizer(model, OptimizerConfig("adamw", fast=("1.",)))
    assert len({group["lr"] for group in optimizer.param_groups}) == 1
