"""A network between its ends, and what its outputs mean."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from qat.compile.io_wrapper import IOWrapper, as_logits, head
from qat.compile.onnx.io_spec import IOSpec


@pytest.fixture
def logits() -> Tensor:
    return torch.randn(2, 5, 4, 6, generator=torch.Generator().manual_seed(0))


def test_logits_pass(logits: Tensor) -> None:
    assert head(logits, (32, 48), IOSpec()) is logits


@pytest.mark.parametrize("corners", [True, False])
def test_full_size_and_classes(logits: Tensor, corners: bool) -> None:
    full = head(logits, (31, 48), IOSpec(result="upsampled", align_corners=corners))
    assert torch.equal(full, F.interpolate(logits, (31, 48), mode="bilinear", align_corners=corners))
    classes = head(logits, (31, 48), IOSpec(result="argmax", align_corners=corners))
    assert classes.dtype == torch.int64
    assert torch.equal(classes, full.argmax(1))


def test_raw_pixels_are_normalised() -> None:
    mean, std = (0.1, 0.2, 0.3), (0.5, 0.25, 0.125)
    pixels = torch.arange(48, dtype=torch.uint8).view(1, 3, 4, 4) * 5
    ended = IOWrapper(nn.Identity(), IOSpec("uint8", "logits", mean, std))
    expected = (pixels / 255 - torch.tensor(mean).view(1, 3, 1, 1)) / torch.tensor(std).view(1, 3, 1, 1)
    assert torch.allclose(ended(pixels), expected, atol=1e-5)


def test_normalised_pictures_pass() -> None:
    x = torch.randn(1, 3, 4, 4)
    assert torch.equal(IOWrapper(nn.Identity(), IOSpec())(x), x)


def test_classes_as_logits(logits: Tensor) -> None:
    classes = logits.argmax(1)
    found = as_logits(classes, 5)
    assert found.shape == logits.shape
    assert torch.equal(found.argmax(1), classes)
    assert torch.equal(found.sum(1), torch.ones(2, 4, 6))
    assert as_logits(logits, 5) is logits
