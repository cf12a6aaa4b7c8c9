from __future__ import annotations

import pytest
import torch

from qat.observers.weights import SHRINK, fake_quantise, weight_scales

METHODS = ["min_max", "mse"]
GENERATOR = torch.Generator().manual_seed(0)
WEIGHTS = {
    "normal": torch.randn(8, 4, 3, 3, generator=GENERATOR),
    "outliers": torch.randn(8, 16, 3, 3, generator=GENERATOR) ** 5,
    "tiny": torch.randn(8, 4, 1, 1, generator=GENERATOR) * 1e-5,
    "two dimensions": torch.randn(5, 30, generator=GENERATOR),
}


def errors(weight: torch.Tensor, method: str) -> torch.Tensor:
    quantised = fake_quantise(weight, weight_scales(weight, method))
    return (quantised - weight).double().square().flatten(1).sum(1)


@pytest.mark.parametrize("name", WEIGHTS)
def test_min_max_clips_nothing_and_wastes_nothing(name: str) -> None:
    weight = WEIGHTS[name]
    scales = weight_scales(weight, "min_max")
    assert scales.dtype == torch.float32
    levels = (weight.double() / scales.double().view(-1, *[1] * (weight.dim() - 1))).flatten(1)
    filled = torch.maximum(levels.amax(1) / 127, levels.amin(1) / -128)
    assert torch.allclose(filled[scales > 1e-6], torch.ones(1, dtype=torch.float64), atol=1e-5)


def test_a_convolution_of_ones_is_exact() -> None:
    ones = torch.ones(1, 32, 1, 1)
    for method in ("min_max", "mse"):
        assert torch.allclose(fake_quantise(ones, weight_scales(ones, method)), ones, atol=1e-6)


@pytest.mark.parametrize("name", WEIGHTS)
def test_mse_is_never_worse_than_min_max_in_any_channel(name: str) -> None:
    weight = WEIGHTS[name]
    assert (errors(weight, "mse") <= errors(weight, "min_max") * (1 + 1e-5)).all()


def test_mse_is_clearly_better_where_an_outlier_costs_everyone() -> None:
    weight = torch.randn(4, 65536, generator=torch.Generator().manual_seed(1))
    weight[:, 0] = 8.0
    assert (errors(weight, "mse") < 0.9 * errors(weight, "min_max")).all()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", WEIGHTS)
def test_each_channel_stands_alone(name: str, method: str) -> None:
    weight = WEIGHTS[name]
    alone = torch.cat([weight_scales(row[None], method) for row in weight])
    assert torch.equal(weight_scales(weight, method), alone)
    louder = weight.clone()
    louder[0] *= 100
    assert torch.equal(weight_scales(louder, method)[1:], alone[1:])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", WEIGHTS)
def test_quantising_twice_changes_nothing(name: str, method: str) -> None:
    scales = weight_scales(WEIGHTS[name], method)
    once = fake_quantise(WEIGHTS[name], scales)
    assert torch.equal(fake_quantise(once, scales), once)


@pytest.mark.parametrize("name", WEIGHTS)
def test_quantised_weights_are_int8_levels_at_most_half_a_step_away(name: str) -> None:
    weight = WEIGHTS[name]
    scales = weight_scales(weight, "min_max")
    column = scales.view(-1, *[1] * (weight.dim() - 1))
    quantised = fake_quantise(weight, scales)
    levels = quantised / column
    torch.testing.assert_close(levels, levels.round(), rtol=1e-6, atol=0)
    assert levels.round().min() >= -128
    assert levels.round().max() <= 127
    assert ((quantised - weight).abs() <= column * 0.50001).all()


@pytest.mark.parametrize("method", METHODS)
def test_a_channel_of_zeros_stays_zero(method: str) -> None:
    weight = WEIGHTS["normal"].clone()
    weight[3] = 0
    scales = weight_scales(weight, method)
    assert (scales > 0).all()
    assert not fake_quantise(weight, scales)[3].any()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("size", [1e-5, 1e-8, 1e-16])
def test_a_small_layer_keeps_its_levels(size: float, method: str) -> None:
    """Case o19: scales below 1.2e-7 were cut off, and the layer's weights with them."""
    scales = weight_scales(WEIGHTS["normal"] * size, method)
    assert torch.allclose(scales, weight_scales(WEIGHTS["normal"], method) * size, rtol=1e-5, atol=0)


@pytest.mark.parametrize("method", METHODS)
def test_a_channel_next_to_nothing_keeps_a_scale_at_which_its_bias_fits(method: str) -> None:
    weight = WEIGHTS["normal"].clone()
    weight[2] *= 1e-12
    assert weight_scales(weight, method)[2] == torch.finfo(torch.float32).eps
    assert weight_scales(weight * 1e-8, method)[2] == pytest.approx(
        float(weight_scales(weight * 1e-8, method).max()) / 1024, rel=0.6
    )


@pytest.mark.parametrize("name", WEIGHTS)
def test_min_max_is_the_least_scale_at_which_brute_force_clips_nothing(name: str) -> None:
    for row, scale in zip(WEIGHTS[name], weight_scales(WEIGHTS[name], "min_max").double().tolist(), strict=True):
        values = row.flatten().double().tolist()
        needed = max(value / (127 if value > 0 else -128) for value in values)
        assert scale == pytest.approx(needed, rel=1e-6)


@pytest.mark.parametrize("name", WEIGHTS)
def test_mse_is_the_best_of_its_scales_by_brute_force(name: str) -> None:
    weight = WEIGHTS[name]
    for row, scale in zip(weight, weight_scales(weight, "mse").double().tolist(), strict=True):
        values = row.flatten().double()

        def error(step: float, values: torch.Tensor = values) -> float:
            return float(((values / step).round().clamp(-128, 127) * step - values).square().sum())

        top = max(float(values.max()) / 127, float(values.min()) / -128)
        steps = [top * (0.5 + 0.5 * k / (SHRINK - 1)) for k in range(SHRINK)]
        best = min(error(step) for step in steps)
        assert error(scale) == pytest.approx(best, rel=1e-3, abs=0)


@pytest.mark.parametrize("values", [1, 1000, 1 << 15])
def test_the_search_in_blocks_changes_nothing(values: int, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = weight_scales(WEIGHTS["normal"], "mse")
    monkeypatch.setattr("qat.observers.weights._CACHED", values)
    assert torch.equal(weight_scales(WEIGHTS["normal"], "mse"), expected)
