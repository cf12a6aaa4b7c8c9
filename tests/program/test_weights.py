"""Stored weights are those that the fake-quantised network computes with."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from qat.observers.weights import fake_quantise, weight_scales
from qat.program.weights import weight_of
from tests.networks import shuffle_norms

LAYERS: dict[str, Callable[[], nn.Module]] = {
    "conv": lambda: nn.Conv2d(3, 5, 3),
    "grouped": lambda: nn.Conv2d(4, 6, 3, groups=2, bias=False),
    "linear": lambda: nn.Linear(4, 3),
}


def settled(layer: nn.Module, scales: torch.Tensor) -> nn.Module:
    layer.register_buffer("weight_scale", scales)
    return layer


@settings(deadline=None, max_examples=30)
@given(st.sampled_from(sorted(LAYERS)), st.sampled_from(["min_max", "mse"]), st.integers(0, 1000))
def test_integers_are_the_fake_quantised_weights(name: str, method: str, seed: int) -> None:
    torch.manual_seed(seed)
    layer = LAYERS[name]()
    scales = weight_scales(layer.weight, method)
    weight = weight_of(settled(layer, scales), quantised=True)
    assert weight.values.dtype == np.int8
    np.testing.assert_array_equal(weight.scales, scales)
    np.testing.assert_array_equal(weight.real, fake_quantise(layer.weight, scales))
    assert (weight.bias is None) == (layer.bias is None)


def test_a_transposed_convolution_has_one_scale() -> None:
    layer = nn.ConvTranspose2d(4, 6, 3)
    weight = weight_of(settled(layer, weight_scales(layer.weight.view(1, -1), "mse")), quantised=True)
    assert weight.scales is not None
    assert weight.scales.shape == (1,)
    np.testing.assert_array_equal(weight.real, fake_quantise(layer.weight, torch.from_numpy(weight.scales)))


def test_a_dead_channel_is_zeros() -> None:
    layer = nn.Conv2d(2, 3, 1)
    with torch.no_grad():
        layer.weight[1] = 0
    weight = weight_of(settled(layer, weight_scales(layer.weight, "mse")), quantised=True)
    assert not weight.values[1].any()
    assert np.isfinite(weight.scales).all()


@pytest.mark.parametrize("name", LAYERS)
def test_float_stays_as_it_is(name: str) -> None:
    layer = LAYERS[name]()
    weight = weight_of(layer, quantised=False)
    assert weight.scales is None
    np.testing.assert_array_equal(weight.real, layer.weight.detach())


@pytest.mark.parametrize("affine", [True, False])
def test_a_norm_is_gain_and_shift(affine: bool) -> None:
    norm, x = shuffle_norms(nn.BatchNorm2d(4, affine=affine)).eval(), torch.randn(2, 4, 3, 3)
    weight = weight_of(norm, quantised=True)
    gain, shift = weight.values.reshape(1, 4, 1, 1), weight.bias.reshape(1, 4, 1, 1)
    np.testing.assert_allclose(norm(x).detach(), x * gain + shift, atol=1e-5)


def test_later_changes_of_the_layer_change_nothing() -> None:
    layer = nn.Conv2d(1, 1, 1)
    weight = weight_of(layer, quantised=False)
    before = weight.values.copy()
    with torch.no_grad():
        layer.weight += 1
    np.testing.assert_array_equal(weight.values, before)
