from __future__ import annotations

import dataclasses
import re

import pytest
import torch
from torch import Tensor, nn

from qat.errors import UserError
from qat.graph import check, rewrite
from qat.graph.ops import BY_NAME, OPS
from qat.graph.rules import RULES
from qat.targets import TARGETS, Call, Target, get_target

KINDS = {"input", "output", "constant"}


@pytest.mark.parametrize("target", TARGETS.values(), ids=list(TARGETS))
def test_rows_are_operations_that_the_graph_knows_or_torchs(target: Target) -> None:
    """An operation without a row in the graph's table goes by the name that torch gives it."""
    others = (set(target.rows) | set(target.missing)) - {op.name for op in OPS} - KINDS - {"roi_align"}
    assert {name for name in others if not any(hasattr(home, name) for home in (torch, nn, nn.functional))} == set()
    assert not set(target.rows) & set(target.missing)


@pytest.mark.parametrize("target", TARGETS.values(), ids=list(TARGETS))
def test_an_idle_operation_is_taken_or_removed(target: Target) -> None:
    idle = {name for name, op in BY_NAME.items() if op.idle}
    assert {name for name in idle - set(target.rows) if "rule identity" not in target.missing.get(name, "")} == set()


@pytest.mark.parametrize("target", TARGETS.values(), ids=list(TARGETS))
def test_rules_exist(target: Target) -> None:
    assert target.rules <= {rule.name for rule in RULES}


NAMED = re.compile(r"\(rules? ([^)]*)\)")


@pytest.mark.parametrize("target", TARGETS.values(), ids=list(TARGETS))
def test_fixes_name_rules_of_that_target(target: Target) -> None:
    """J5's fix of `-x` named a rule that J5 hasn't."""
    limits = [*target.everywhere, *(limit for row in target.rows.values() for limit in row.limits)]
    texts = [*target.missing.values(), *(limit.fix for limit in limits), *(limit.message for limit in limits)]
    named = {name for text in texts for found in NAMED.findall(text) for name in found.split(", ")}
    assert named
    assert named <= target.rules


@pytest.mark.parametrize("target", TARGETS.values(), ids=list(TARGETS))
def test_the_rule_that_a_fix_names_mends_it(target: Target) -> None:
    class Negative(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return -x

    x = torch.randn(1, 3, 8, 16)
    (fix,) = (found.fix for found in check(Negative(), x, target) if found.op == "neg")
    fired = {entry.rule for entry in rewrite(Negative(), x, target).log.fired}
    assert set(NAMED.findall(fix)) & fired


def test_every_rule_serves_a_target() -> None:
    assert {rule.name for rule in RULES} == {name for target in TARGETS.values() for name in target.rules}


@pytest.mark.parametrize("target", TARGETS.values(), ids=list(TARGETS))
def test_tables_are_frozen(target: Target) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        target.name = "other"  # type: ignore[misc]
    with pytest.raises(TypeError):
        target.rows["sum"] = target.rows["conv2d"]  # type: ignore[index]


def test_an_operation_without_a_row_is_unsupported() -> None:
    *_, limit = get_target("x86").limits("fft")
    assert not limit.holds(Call("fft", "torch.fft"))
    assert limit.severity == "error"


def test_unknown_target_names_the_nearest() -> None:
    with pytest.raises(UserError, match="did you mean x86"):
        get_target("x87")
