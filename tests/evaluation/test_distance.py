"""The scorer says what `evaluate` says, from pictures that it keeps."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from qat.data.fit import Fit
from qat.errors import UserError
from qat.evaluation import evaluate
from qat.evaluation.scorer import Scorer

CLASSES = 5


def network(noise: float) -> nn.Module:
    torch.manual_seed(0)
    net = nn.Conv2d(3, CLASSES, 8, stride=8).eval()
    with torch.no_grad():
        net.weight += noise * torch.randn(net.weight.shape)
    return net


def batches(labels: bool = True) -> list[dict[str, Any]]:
    generator = torch.Generator().manual_seed(1)
    image = torch.randint(0, 256, (3, 2, 24, 32, 3), generator=generator, dtype=torch.uint8)
    label = torch.randint(0, CLASSES, (3, 2, 24, 32), generator=generator, dtype=torch.uint8)
    found = [{"image": image[i], "label": label[i], "name": [f"{i}a", f"{i}b"]} for i in range(3)]
    return found if labels else [{key: batch[key] for key in ("image", "name")} for batch in found]


def to_input(image: Tensor) -> Tensor:
    return image.permute(0, 3, 1, 2).float() / 255


def scorer(given: list[dict[str, Any]]) -> Scorer:
    return Scorer(network(0), iter(given), CLASSES, to_input=to_input, align_corners=True)


@torch.no_grad()
def test_it_agrees_with_evaluate() -> None:
    judged = scorer(batches())
    for noise in (0.02, 0.1):
        score = judged(network(noise))
        expected = evaluate(
            network(noise),
            batches(),
            CLASSES,
            to_input=to_input,
            align_corners=True,
            reference=lambda _, inputs: network(0)(inputs),
        )
        assert score.logit_sqnr == pytest.approx(expected.logit_sqnr)
        assert score.changed == expected.changed
        assert score.changed
        assert score.main == expected.scores.mean_iou


def test_without_labels_there_is_no_miou_and_the_rest_stays() -> None:
    without, labelled = scorer(batches(labels=False))(network(0.1)), scorer(batches())(network(0.1))
    assert without.main is None
    assert (without.logit_sqnr, without.changed) == (labelled.logit_sqnr, labelled.changed)


def test_float_itself_is_equal() -> None:
    score = scorer(batches())(network(0))
    assert (score.logit_sqnr, score.changed) == (float("inf"), 0.0)


def test_no_pictures_is_one_line() -> None:
    with pytest.raises(UserError, match=r"no pictures to score; .* lower QUANT.CALIB_IMAGES"):
        scorer([])


class Elsewhere(nn.Module):
    """The network, whose logits differ in one row of cells."""

    def __init__(self, row: int) -> None:
        super().__init__()
        self.inner, self.row = network(0), row

    def forward(self, x: Tensor) -> Tensor:
        logits = self.inner(x).clone()
        logits[:, :, self.row] += 1
        return logits


@pytest.mark.parametrize("row", range(4))
def test_only_the_picture_itself_counts_not_its_padding(row: int) -> None:
    """24 rows are padded to 32: of the logits' four rows of cells the last is padding."""
    fit, given = Fit("pad", 16), batches()

    def padded(image: Tensor) -> Tensor:
        return fit.padded(to_input(image))

    common = {"to_input": padded, "align_corners": False, "fit": fit}
    result = evaluate(Elsewhere(row), given, CLASSES, reference=lambda _, x: network(0)(x), **common)
    score = Scorer(network(0), given, CLASSES, **common)(Elsewhere(row))
    assert math.isinf(result.logit_sqnr or 0) == math.isinf(score.logit_sqnr) == (row == 3)
