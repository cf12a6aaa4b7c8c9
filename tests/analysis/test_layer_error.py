"""The sums give what whole tensors give; a grid is judged beside the best one; the ranking finds what was broken."""

from __future__ import annotations

import copy
import math
import random
from typing import Any, cast

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, fx, nn

from qat.analysis.layer_error import Error, above, above_best, least_rounding, measure, weights_above_best, worst_first
from qat.analysis.networks import Subject
from qat.backends.weight_scales import weighted
from qat.observers.grid import Grid
from qat.observers.observer import ActivationObserver
from qat.observers.weights import fake_quantise, weight_scales
from tests.analysis.networks import block, samples


@given(st.integers(0, 2**31 - 1), st.integers(1, 4), st.floats(1e-4, 10.0))
def test_against_whole_tensors_in_float64(seed: int, pieces: int, noise: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    reference = torch.randn(pieces, 3, 5, 7, generator=generator)
    tensor = reference + noise * torch.randn(reference.shape, generator=generator)
    error = Error()
    for one, two in zip(reference.split(1), tensor.split(1), strict=True):
        error.add(one, two.contiguous(memory_format=torch.channels_last))
    a, b = reference.double().flatten(), tensor.double().flatten()
    summary = error.summary(0.5)
    assert summary["sqnr_db"] == pytest.approx(10 * math.log10(a.square().sum() / (a - b).square().sum()), abs=1e-3)
    assert summary["relative_l2"] == pytest.approx(float((a - b).norm() / a.norm()), rel=1e-4)
    assert summary["cosine"] == pytest.approx(float(torch.cosine_similarity(a, b, 0)), abs=1e-5)
    assert summary["max_steps"] == pytest.approx(float((a - b).abs().max()) / 0.5, rel=1e-4)


def test_equal_tensors_and_an_empty_reference() -> None:
    equal, empty = Error(), Error()
    equal.add(torch.ones(1, 2, 3, 3), torch.ones(1, 2, 3, 3))
    empty.add(torch.zeros(1, 2, 3, 3), torch.ones(1, 2, 3, 3))
    assert equal.summary(None) == {"sqnr_db": None, "relative_l2": 0.0, "cosine": 1.0, "max_steps": None}
    assert empty.summary(1.0) == {"sqnr_db": None, "relative_l2": None, "cosine": None, "max_steps": 1.0}


GRID = Grid(0, 255, True)


@given(st.integers(0, 2**31 - 1), st.floats(1e-3, 1e3))
def test_the_least_rounding_is_what_the_best_of_many_scales_gives(seed: int, size: float) -> None:
    values = size * torch.randn(1, 4, 32, 32, generator=torch.Generator().manual_seed(seed))
    observer = ActivationObserver("mse", GRID)
    observer.observe(values)
    scales = torch.linspace(0.2, 1.0, 200) * float(values.abs().max()) / 127
    errors = [
        float((torch.fake_quantize_per_tensor_affine(values, float(s), 128, 0, 255) - values).square().sum())
        for s in scales
    ]
    assert least_rounding(observer) == pytest.approx(min(errors), rel=0.05)


def test_weights_on_their_best_scales_are_at_the_best_and_4x_off_is_12_db() -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(16, 32, 3)
    weight = layer.weight.detach()
    best = weight_scales(weight, "mse")
    assert weights_above_best(weight, fake_quantise(weight, best), layer) == 0.0
    assert weights_above_best(weight, fake_quantise(weight, 4 * best), layer) == pytest.approx(12, abs=1)
    assert weights_above_best(weight, fake_quantise(weight, best / 4), layer) > 20


def test_weights_that_are_exact_in_int8_have_a_floor() -> None:
    layer = nn.Conv2d(4, 1, 1)
    ones = torch.ones_like(layer.weight)
    assert weights_above_best(ones, ones, layer) == 0.0
    assert 12 < weights_above_best(ones, ones * 1.01, layer) < 1000


def test_nothing_is_above_an_empty_best() -> None:
    assert above_best(0.0, 0.0, 0.0) == 0.0


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
