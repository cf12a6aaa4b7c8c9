"""Damaged files of every format are read or refused in one line; `make fuzz N=10000` tries more of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.faults.format import OFTEN, Format
from tests.faults.formats import formats
from tests.faults.fuzz import READ, REFUSED, outcome
from tests.faults.mutation import damaged, restructured
from tests.networks import TINY, registered

PROGRAM = "TorchScript file as a checkpoint"  # which is none
NAMES = (
    *("picture", "picture, its label and list", "list"),
    *("config", "config, another structure", "descriptor", "descriptor, another structure", "published config"),
    *("checkpoint", PROGRAM, "ONNX network"),
    *("calibration state", "JSON of a run", "JSON of an older run"),
    *("training's checkpoint", "compiled ONNX", "TorchScript"),
    *("board's logs", "logits of a board", "baseline", "results of the vendor's image"),
)
SEEDS = st.integers(0, 2**32)


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Format]]:
    with registered(TINY):
        yield formats(tmp_path_factory.mktemp("whole"))


def test_no_format_is_left_out(known: Mapping[str, Format]) -> None:
    assert tuple(known) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_whole_files_are_read(name: str, known: Mapping[str, Format]) -> None:
    one = known[name]
    assert outcome(Format(one.files, one.read, lambda content, rng: content, one.kept), 0) == (
        REFUSED if name == PROGRAM else READ
    )


@pytest.mark.parametrize("name", NAMES)
def test_damaged_files_are_read_or_refused_in_one_line(name: str, known: Mapping[str, Format]) -> None:
    @settings(
        max_examples=max(2, 30 * known[name].share // OFTEN),
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(SEEDS)
    def tried(seed: int) -> None:
        found = outcome(known[name], seed)
        assert found in (READ, REFUSED), f"{name}, seed {seed}: {found}"

    tried()


@given(SEEDS, st.binary(max_size=64))
def test_damage_is_its_seed_s(seed: int, content: bytes) -> None:
    assert damaged(content, Random(seed)) == damaged(content, Random(seed))


@given(SEEDS)
def test_another_structure_leaves_the_first_as_it_was(seed: int) -> None:
    tree = {"a": [1, {"b": 2}], "c": "d"}
    changed = restructured(tree, Random(seed))
    assert tree == {"a": [1, {"b": 2}], "c": "d"}
    assert repr(changed) == repr(restructured(tree, Random(seed)))
