from __future__ import annotations

from qat.observers.candidates import AUTO, OBSERVERS, Candidate, candidates
from qat.observers.ranges import RANGES


def test_a_named_observer_is_its_own_only_candidate() -> None:
    assert candidates("kl", 99.99, 0.1) == (Candidate("kl", averaging=0.1),)
    assert candidates("percentile", 99.5, None) == (Candidate("percentile", 99.5),)


def test_auto_tries_every_observer_with_every_constant_once() -> None:
    tried = candidates(AUTO, 99.99, None)
    assert len(tried) == len(set(tried)) == 3 * 7
    assert {one.method for one in tried} == set(RANGES)
    assert {one.averaging for one in tried} == {None, 0.01, 0.1}
    assert tried[0] == Candidate("min_max")


def test_auto_tries_the_config_s_own_percentile_and_constant_too() -> None:
    tried = candidates(AUTO, 99.0, 0.5)
    assert len(tried) == 4 * 8
    assert Candidate("percentile", 99.0, 0.5) in tried
    assert Candidate("mse", None, 0.5) in tried


def test_the_names_are_the_vendor_s() -> None:
    assert OBSERVERS == ("min_max", "percentile", "mse", "kl", "mix", "auto")
