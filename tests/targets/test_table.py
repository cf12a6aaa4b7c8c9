from __future__ import annotations

import dataclasses

import pytest

from qat.errors import UserError
from qat.graph.ops import OPS
from qat.graph.rules import RULES
from qat.targets import TARGETS, Call, Target, get_target

KINDS = {"input", "output", "constant"}


@pytest.mark.parametrize("target", TARGETS.values(), ids=list(TARGETS))
def test_rows_are_operations_that_the_graph_knows(target: Target) -> None:
    assert set(target.rows) | set(target.missing) <= {op.name for op in OPS} | KINDS
    assert not set(target.rows) & set(target.missing)


@pytest.mark.parametrize("target", TARGETS.values(), ids=list(TARGETS))
def test_rules_exist(target: Target) -> None:
    assert target.rules <= {rule.name for rule in RULES}


def test_every_rule_serves_a_target() -> None:
    assert {rule.name for rule in RULES} == {name for target in TARGETS.values() for name in target.rules}


@pytest.mark.parametrize("target", TARGETS.values(), ids=list(TARGETS))
def test_tables_are_frozen(target: Target) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        target.name = "other"  # type: ignore[misc]
    with pytest.raises(TypeError):
        target.rows["sum"] = target.rows["conv2d"]  # type: ignore[index]


def test_an_operation_without_a_row_is_unsupported() -> None:
    (limit,) = get_target("x86").limits("fft")
    assert not limit.holds(Call("fft", "torch.fft"))
    assert limit.severity == "error"


def test_unknown_target_names_the_nearest() -> None:
    with pytest.raises(UserError, match="did you mean x86"):
        get_target("x87")
