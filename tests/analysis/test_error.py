"""The sums give what whole tensors give, however they come in pieces."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from qat.analysis.error import Error


@given(st.integers(0, 2**31 - 1), st.integers(1, 4), st.floats(1e-4, 10.0))
def test_against_whole_tensors_in_float64(seed: int, pieces: int, noise: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    reference = torch.randn(pieces, 3, 5, 7, generator=generator)
    other = reference + noise * torch.randn(reference.shape, generator=generator)
    error = Error()
    for one, two in zip(reference.split(1), other.split(1), strict=True):
        error.add(one, two.contiguous(memory_format=torch.channels_last))
    a, b = reference.double().flatten(), other.double().flatten()
    found = error.summary(0.5)
    assert found["sqnr_db"] == pytest.approx(10 * math.log10(a.square().sum() / (a - b).square().sum()), abs=1e-3)
    assert found["relative_l2"] == pytest.approx(float((a - b).norm() / a.norm()), rel=1e-4)
    assert found["cosine"] == pytest.approx(float(torch.cosine_similarity(a, b, 0)), abs=1e-5)
    assert found["max_steps"] == pytest.approx(float((a - b).abs().max()) / 0.5, rel=1e-4)


def test_equal_tensors_and_an_empty_reference() -> None:
    equal, empty = Error(), Error()
    equal.add(torch.ones(1, 2, 3, 3), torch.ones(1, 2, 3, 3))
    empty.add(torch.zeros(1, 2, 3, 3), torch.ones(1, 2, 3, 3))
    assert equal.summary(None) == {"sqnr_db": None, "relative_l2": 0.0, "cosine": 1.0, "max_steps": None}
    assert empty.summary(1.0) == {"sqnr_db": None, "relative_l2": None, "cosine": None, "max_steps": 1.0}
