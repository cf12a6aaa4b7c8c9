"""The contract of every rewrite rule, over one list of small modules.

It fires where it should; the output is equal; a second run changes nothing; the operation that it removes is gone; it
refuses with the stated reason elsewhere. A rule without a case fails.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, fx

from qat.graph import rewrite, trace
from qat.graph.nodes import op_name, spelling
from qat.graph.proof import TOLERANCE, difference, run
from qat.graph.rules import RULES, Rule
from qat.targets import X86, Target
from tests.graph.rule_cases import CASES, Case, Refusal
from tests.graph.rule_cases.case import Fn, convolution
from tests.graph.rule_cases.sizes import twins

SHAPE = (2, 4, 6, 8)


FIRING = [case for case in CASES if not isinstance(case, Refusal)]
REFUSING = [case for case in CASES if isinstance(case, Refusal)]
BY_NAME = {rule.name: rule for rule in RULES}


def only(rule: str) -> Target:
    """A target that needs one rule."""
    return replace(X86, rules=frozenset({rule}))


def title(case: Case) -> str:
    return f"{case.rule}: {case.name}"


@pytest.fixture
def x() -> Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("case", FIRING, ids=title)
def test_fires_and_removes_what_it_is_for(case: Case, x: Tensor) -> None:
    result = rewrite(case.build(), x, only(case.rule))
    assert [entry.rule for entry in result.log.fired] == [case.rule] * case.times
    assert result.log.refused == ()
    assert all(entry.what and "rule_cases/" in entry.source for entry in result.log.fired)
    nodes = list(result.module.graph.nodes)
    assert not any(BY_NAME[case.rule].match(node) for node in nodes)
    assert not {*case.gone} & {name for node in nodes for name in (op_name(node), spelling(node))}


@pytest.mark.parametrize("case", FIRING, ids=title)
def test_keeps_the_function(case: Case, x: Tensor) -> None:
    result = rewrite(case.build(), x, only(case.rule))
    assert [proof.rule for proof in result.log.proofs][:2] == ["trace", case.rule]
    assert all(proof.difference <= proof.tolerance == TOLERANCE for proof in result.log.proofs)
    other = x.flip(0) * 3 - 1
    assert difference(run(case.build(), [other]), run(result.module, [other])) <= TOLERANCE


@pytest.mark.parametrize("case", FIRING, ids=title)
def test_second_run_changes_nothing(case: Case, x: Tensor) -> None:
    first = rewrite(case.build(), x, only(case.rule))
    second = rewrite(first.module, x, only(case.rule))
    assert second.log.fired == ()
    assert second.module.code == first.module.code


@pytest.mark.parametrize("case", REFUSING, ids=title)
def test_refuses_with_a_reason(case: Refusal, x: Tensor) -> None:
    result = rewrite(case.build(), x, only(case.rule))
    assert result.log.fired == ()
    assert [entry.rule for entry in result.log.refused] == [case.rule] * len(result.log.refused)
    assert case.reason in " ".join(entry.reason for entry in result.log.refused)
    assert all("rule_cases/" in entry.source for entry in result.log.refused)
    assert difference(run(case.build(), [x]), run(result.module, [x])) == 0


def test_one_interpolation_is_left(x: Tensor) -> None:
    result = rewrite(Fn(twins(), **convolution(5, 1)()).eval(), x, only("shared_interpolation"))
    assert [op_name(node) for node in result.module.graph.nodes].count("interpolate") == 1


def test_a_view_of_the_bits_is_left(x: Tensor) -> None:
    result = rewrite(Fn(lambda m, y: y.view(torch.int32)).eval(), x, only("spelling"))
    assert (result.log.fired, result.log.refused) == ((), ())


@pytest.mark.parametrize("settings", [{"size": (9, 12)}, {"align_corners": True}, {"mode": "bicubic"}])
def test_interpolations_that_differ_are_left(settings: dict[str, Any], x: Tensor) -> None:
    result = rewrite(Fn(twins(**settings), **convolution(4, 1)()).eval(), x, only("shared_interpolation"))
    assert (result.log.fired, result.log.refused) == ((), ())


def test_every_rule_has_a_case() -> None:
    assert {case.rule for case in FIRING} == set(BY_NAME)


def test_every_rule_that_can_refuse_has_a_refusal() -> None:
    assert {case.rule for case in REFUSING} == {rule.name for rule in RULES if rule.check is not Rule.check}


def state(module: fx.GraphModule) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


@pytest.mark.parametrize("case", CASES, ids=title)
def test_match_and_check_only_look(case: Case, x: Tensor) -> None:
    """So that a refusal, whenever it comes, leaves the graph, the weights and the layers' settings as they were."""
    module, rule = trace(case.build(), x), BY_NAME[case.rule]
    module.recompile()
    code, before, settings = module.code, state(module), str(module)
    reasons = [rule.check(node) for node in module.graph.nodes if rule.match(node)]
    module.recompile()
    assert reasons
    assert (module.code, str(module)) == (code, settings)
    assert all(torch.equal(value, before[name]) for name, value in state(module).items())
    assert isinstance(case, Refusal) == all(reasons)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_every_rule_says_why_and_shows_before_and_after(rule: Any) -> None:
    import sys

    text = sys.modules[rule.match.__module__].__doc__
    assert rule.reason
    assert "before:" in text
    assert "after:" in text
