from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from qat.training import fused_nll
from qat.training.fused_nll import bands, upsampled_nll


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
    monkeypatch.setattr(fused_nll, "BAND", band)
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
    monkeypatch.setattr(fused_nll, "BAND", 64)
    seen = torch.zeros(2, 13, 20)
    for image, rows in bands(seen):
        seen[image, rows] += 1
    assert (seen == 1).all()
