from __future__ import annotations

import pytest

from qat.config import load_config
from qat.training.schedule import Plan

OPTS = ("QAT.LR", "0.001", "QAT.MIN_LR", "0.0001", "TRAIN.LR_POWER", "1.0")


def test_fine_tuning_takes_a_tenth_unless_told() -> None:
    assert Plan.of_fine_tuning(load_config(None, ["TRAIN.END_EPOCH", "968"])).epochs == 96
    assert Plan.of_fine_tuning(load_config(None, ["QAT.END_EPOCH", "7"])).epochs == 7


def test_the_rate_falls_to_its_least() -> None:
    plan = Plan.of_fine_tuning(load_config(None, list(OPTS)))
    assert [plan.lr_at(i, 10) for i in (0, 5, 9)] == pytest.approx([0.001, 0.00055, 0.00019])


def test_training_has_its_own_keys() -> None:
    plan = Plan.of_training(load_config(None, ["TRAIN.LR", "0.5", "TRAIN.WARMUP", "10", "TRAIN.END_EPOCH", "3"]))
    assert (plan.stage, plan.epochs, plan.lr_at(0, 100)) == ("train", 3, pytest.approx(0.05))


@pytest.mark.parametrize(
    ("every", "expected"), [(0, []), (1, [0, 1, 2, 3, 4]), (2, [1, 3, 4]), (9, [4])], ids=["never", "1", "2", "last"]
)
def test_evaluations(every: int, expected: list[int]) -> None:
    plan = Plan.of_fine_tuning(load_config(None, ["QAT.END_EPOCH", "5", "QAT.EVAL_EVERY", str(every)]))
    assert [epoch for epoch in range(5) if plan.evaluates(epoch)] == expected
