from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from qat.training import losses
from qat.training.losses import (
    LossConfig,
    bands,
    boundary_loss,
    cross_entropy,
    hard_limit,
    label_loss,
    ohem,
    pidnet_loss,
    semantic_loss,
    upsampled_nll,
)

CLASSES = 4
WEIGHTS = (0.5, 1.0, 2.0, 3.0)


def numpy_nll(logits: Tensor, label: Tensor) -> NDArray[np.float64]:
    """(valid pixels,) -log softmax of the true class, in label order."""
    values = logits.detach().double().numpy().transpose(0, 2, 3, 1).reshape(-1, logits.shape[1])
    flat = label.numpy().reshape(-1)
    values = values[flat != 255]
    shifted = np.exp(values - values.max(1, keepdims=True))
    probability = shifted / shifted.sum(1, keepdims=True)
    return -np.log(probability[np.arange(len(values)), flat[flat != 255]])


def numpy_ohem(nll: NDArray[np.float64], weight: NDArray[np.float64], threshold: float, min_kept: int) -> float:
    """The published rule: sort by probability, keep those below the larger of threshold and the min_kept-th."""
    order = np.argsort(np.exp(-nll), kind="stable")
    kept = max(int((np.exp(-nll) < threshold).sum()), min(min_kept, len(nll)))
    return float((nll * weight)[order][:kept].mean())


def sample(seed: int = 0) -> tuple[list[Tensor], Tensor, Tensor]:
    """Train-form outputs (2, ..., 4, 6), label and edge (2, 16, 24); some pixels ignored."""
    rng = torch.Generator().manual_seed(seed)
    outputs = [torch.randn(2, channels, 4, 6, generator=rng) * 3 for channels in (CLASSES, CLASSES, 1)]
    label = torch.randint(0, CLASSES, (2, 16, 24), generator=rng)
    label[:, :3] = 255
    return outputs, label, (torch.rand(2, 16, 24, generator=rng) < 0.2).float()


def full_size(outputs: list[Tensor], align_corners: bool = True) -> list[Tensor]:
    return [F.interpolate(x, size=(16, 24), mode="bilinear", align_corners=align_corners) for x in outputs]


def nll_and_valid(logits: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
    return F.cross_entropy(logits, label, ignore_index=255, reduction="none"), label != 255


def test_cross_entropy_is_the_mean_over_valid_pixels() -> None:
    outputs, label, _ = sample()
    logits = full_size(outputs)[1]
    assert float(cross_entropy(*nll_and_valid(logits, label))) == pytest.approx(
        numpy_nll(logits, label).mean(), rel=1e-5
    )


def test_weighted_cross_entropy_divides_by_the_weights_sum() -> None:
    outputs, label, _ = sample()
    logits = full_size(outputs)[1]
    weight = torch.tensor([*WEIGHTS, *[0.0] * 252])[label]
    classes = label.numpy()[label.numpy() != 255]
    expected = np.average(numpy_nll(logits, label), weights=np.array(WEIGHTS)[classes])
    assert float(cross_entropy(*nll_and_valid(logits, label), weight)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("threshold", [0.05, 0.7, 0.9, 1.0])
@pytest.mark.parametrize("min_kept", [1, 50, 300, 10**6])
def test_ohem_equals_the_published_rule(threshold: float, min_kept: int) -> None:
    outputs, label, _ = sample()
    logits = full_size(outputs)[1]
    weight = torch.tensor([*WEIGHTS, *[0.0] * 252])[label]
    classes = label.numpy()[label.numpy() != 255]
    expected = numpy_ohem(numpy_nll(logits, label), np.array(WEIGHTS)[classes], threshold, min_kept)
    assert float(ohem(*nll_and_valid(logits, label), threshold, min_kept, weight)) == pytest.approx(expected, rel=1e-4)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from([0.0, 0.1, 0.5, 2.0]), min_size=1, max_size=40), st.integers(1, 50), st.floats(0.1, 1))
def test_ohem_keeps_at_least_min_kept_and_every_hard_pixel(
    values: list[float], min_kept: int, threshold: float
) -> None:
    nll = torch.tensor(values)
    kept = nll >= hard_limit(nll, threshold, min_kept)
    assert int(kept.sum()) >= min(min_kept, len(values))
    assert kept[torch.exp(-nll) < threshold * (1 - 1e-6)].all()


def test_ohem_moves_hard_pixels_only() -> None:
    logits = torch.tensor([[[[0.0, 9.0]], [[0.0, 0.0]]]], requires_grad=True)  # of true class 0: p 0.5 and p 0.9999
    label = torch.zeros(1, 1, 2, dtype=torch.int64)
    ohem(*nll_and_valid(logits, label), 0.9, 1).backward()
    assert logits.grad is not None
    assert logits.grad[..., 0].abs().min() > 0
    assert logits.grad[..., 1].abs().max() == 0


def test_boundary_loss_weighs_edges_by_the_share_of_the_rest() -> None:
    outputs, _, edge = sample()
    logits = full_size(outputs)[2][:, 0]
    probability = 1 / (1 + np.exp(-logits.double().numpy()))
    truth, share = edge.numpy(), float(edge.mean())
    loss = -np.where(truth == 1, (1 - share) * np.log(probability), share * np.log(1 - probability))
    assert float(boundary_loss(logits, edge)) == pytest.approx(loss.mean(), rel=1e-4)


def test_boundary_loss_without_any_edge_is_zero() -> None:
    assert float(boundary_loss(torch.randn(1, 4, 4), torch.zeros(1, 4, 4))) == 0


@pytest.mark.parametrize("align_corners", [True, False])
@pytest.mark.parametrize("use_ohem", [True, False])
@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_pidnet_loss_equals_the_published_formula(
    align_corners: bool, use_ohem: bool, weights: tuple[float, ...] | None
) -> None:
    outputs, label, edge = sample()
    config = LossConfig((0.4, 1.5), 0.7, use_ohem, 0.6, 40, weights, align_corners)
    parts = {name: float(value) for name, value in pidnet_loss(outputs, label, edge, config).items()}
    auxiliary, main, boundary = full_size(outputs, align_corners)
    near = torch.where(torch.sigmoid(boundary[:, 0]) > 0.8, label, 255)
    class_weight = np.array(weights or [1.0] * CLASSES)

    def plain(logits: Tensor, labels: Tensor) -> float:
        return float(np.average(numpy_nll(logits, labels), weights=class_weight[labels[labels != 255].numpy()]))

    def hard(logits: Tensor, labels: Tensor) -> float:
        weight = class_weight[labels[labels != 255].numpy()]
        return numpy_ohem(numpy_nll(logits, labels), weight, 0.6, 40) if use_ohem else plain(logits, labels)

    assert parts["semantic"] == pytest.approx(0.4 * plain(auxiliary, label) + 1.5 * hard(main, label), rel=1e-4)
    assert parts["boundary_aware"] == pytest.approx(0.7 * hard(main, near), rel=1e-4)
    assert parts["boundary"] == pytest.approx(20 * float(boundary_loss(boundary[:, 0], edge)), rel=1e-5)
    assert parts["loss"] == pytest.approx(parts["semantic"] + parts["boundary"] + parts["boundary_aware"], rel=1e-5)


@pytest.mark.parametrize("use_ohem", [True, False])
@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_all_ignored_gives_zero_semantic_loss_and_zero_gradients(
    use_ohem: bool, weights: tuple[float, ...] | None
) -> None:
    outputs, label, edge = sample()
    for output in outputs:
        output.requires_grad_()
    losses = pidnet_loss(outputs, torch.full_like(label, 255), edge, LossConfig(ohem=use_ohem, class_weights=weights))
    losses["loss"].backward()
    assert losses["semantic"].item() == losses["boundary_aware"].item() == 0
    assert all(output.grad is not None and output.grad.abs().max() == 0 for output in outputs[:2])
    assert outputs[2].grad is not None
    assert 0 < outputs[2].grad.abs().max() < math.inf


def test_nan_logits_give_a_nan_loss() -> None:
    outputs, label, edge = sample()
    outputs[1][0, 0, 0, 0] = math.nan
    label[:] = 1
    assert math.isnan(float(pidnet_loss(outputs, label, edge, LossConfig(min_kept=10))["loss"]))


def test_half_precision_outputs_are_summed_in_float32() -> None:
    outputs, label, edge = sample()
    rounded = [output.bfloat16() for output in outputs]
    low = pidnet_loss(rounded, label, edge, LossConfig())["loss"]
    assert low.dtype == torch.float32
    torch.testing.assert_close(low, pidnet_loss([x.float() for x in rounded], label, edge, LossConfig())["loss"])


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["equal", "balanced"])
def test_the_labels_loss_is_the_main_heads_share(weights: tuple[float, ...] | None) -> None:
    outputs, label, edge = sample()
    config = LossConfig(balance=(0.0, 1.0), min_kept=100, class_weights=weights)
    expected = pidnet_loss(outputs, label, edge, config)["semantic"]
    assert float(label_loss(outputs[1], label, config)) == pytest.approx(float(expected))
    assert float(label_loss(outputs[1], torch.full_like(label, 255), config)) == 0


def test_a_network_with_one_output_learns_from_labels_alone() -> None:
    outputs, label, edge = sample()
    loss = semantic_loss(outputs[1:2], label, edge, LossConfig(min_kept=100))["loss"]
    assert float(loss) == float(label_loss(outputs[1], label, LossConfig(min_kept=100)))


def test_every_head_learns_from_labels_with_its_weight() -> None:
    (auxiliary, main, _), label, edge = sample()
    config = LossConfig(min_kept=100, head_weights=(0.4, 1.0))
    losses = [float(label_loss(logits, label, config)) for logits in (auxiliary, main)]
    parts = semantic_loss([auxiliary, main], label, edge, config)
    assert float(parts["loss"]) == pytest.approx(0.4 * losses[0] + losses[1])
    assert float(semantic_loss([auxiliary, main], label, edge, LossConfig(min_kept=100))["loss"]) == pytest.approx(
        sum(losses)
    )


@pytest.mark.parametrize("align_corners", [True, False])
@pytest.mark.parametrize("band", [1, 100, 1 << 15])
@pytest.mark.parametrize("size", [(32, 40), (29, 37), (4, 5)], ids=str)
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last], ids=["nchw", "nhwc"])
def test_values_and_gradients_equal_torchs(
    monkeypatch: pytest.MonkeyPatch,
    align_corners: bool,
    band: int,
    size: tuple[int, int],
    memory_format: torch.memory_format,
) -> None:
    monkeypatch.setattr(losses, "BAND", band)
    rng = torch.Generator().manual_seed(0)
    logits = (torch.randn(2, 7, 4, 5, generator=rng) * 20).to(memory_format=memory_format).requires_grad_()
    label = torch.randint(0, 7, (2, *size), generator=rng)
    label[1, 1:3] = 255
    upstream = torch.randn(label.shape, generator=rng)
    full = F.interpolate(logits, size=size, mode="bilinear", align_corners=align_corners)
    expected = F.cross_entropy(full, label, ignore_index=255, reduction="none")
    actual = upsampled_nll(logits, label, align_corners)
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=2e-5)
    gradients = [torch.autograd.grad(nll, logits, upstream)[0] for nll in (actual, expected)]
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-4)


def test_the_gradient_is_the_functions_own() -> None:
    logits = torch.randn(1, 3, 3, 2, dtype=torch.float64, requires_grad=True)
    label = torch.tensor([[[0, 1, 2, 255], [2, 2, 1, 0], [0, 0, 1, 1], [255, 1, 1, 2], [0, 1, 0, 1]]])
    assert torch.autograd.gradcheck(lambda x: upsampled_nll(x, label, True), logits)


def test_huge_logits_stay_finite() -> None:
    logits = torch.tensor([1e4, -1e4, 0.0]).reshape(1, 3, 1, 1)
    assert upsampled_nll(logits, torch.tensor([[[0, 1]]]), True).tolist() == [[[0.0, 2e4]]]


def test_bands_cover_every_row_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(losses, "BAND", 64)
    seen = torch.zeros(2, 13, 20)
    for image, rows in bands(seen):
        seen[image, rows] += 1
    assert (seen == 1).all()
