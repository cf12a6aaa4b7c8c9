"""The ranking finds what was broken: one layer's scale off by 4x, at random."""

from __future__ import annotations

import copy
import random
from typing import Any, cast

import pytest
from torch import Tensor, fx

from qat.analysis.layer_error import above, measure, worst_first
from qat.analysis.networks import Subject
from qat.backends.scales import weighted
from tests.analysis.networks import block, samples

TRIALS = 20


@pytest.fixture(scope="module")
def sound() -> Subject:
    return block()


def ranked(prepared: fx.GraphModule, sound: Subject) -> list[dict[str, Any]]:
    """Rows of layers.json with `prepared` in the calibration's place, worst first."""
    broken = Subject(prepared, sound.plain, sound.example)
    rows = measure(broken, samples(), lambda done: None).rows()
    return worst_first(rows["pairs"]["calib"]["layers"])


@pytest.mark.parametrize("trial", range(TRIALS))
def test_an_activation_scale_off_by_4x(trial: int, sound: Subject) -> None:
    pick = random.Random(trial)
    broken = Subject(copy.deepcopy(sound.prepared), sound.plain, sound.example)
    quantiser = broken.quantisers[pick.choice(list(broken.quantisers))]
    quantiser.scale *= pick.choice([4.0, 0.25])
    sharing = {name for name, other in broken.quantisers.items() if other is quantiser}
    first = [row["name"] for row in ranked(broken.prepared, sound)]
    assert set(first[: len(sharing)]) == sharing  # layers that share a scale are broken together


@pytest.mark.parametrize("trial", range(TRIALS))
def test_weight_scales_off_by_4x(trial: int, sound: Subject) -> None:
    pick = random.Random(trial)
    prepared = copy.deepcopy(sound.prepared)
    chosen = pick.randrange(len(list(weighted(prepared))))
    module = list(weighted(prepared))[chosen]
    cast(Tensor, module.weight_scale).mul_(pick.choice([4.0, 0.25]))
    first = ranked(prepared, sound)[0]
    names = {id(part): name for name, part in prepared.named_modules()}
    assert names[id(module)].removesuffix(".0") == first["module"]


def test_nothing_stands_out_where_nothing_is_broken(sound: Subject) -> None:
    assert above(ranked(sound.prepared, sound)[0]) < 9  # 4x costs 12
