from __future__ import annotations

import pytest

from qat.training.schedule import Plan


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
