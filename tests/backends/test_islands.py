"""What would run in float between int8 layers is refused with its source line, unless it is allowed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import qat
from qat.backends.fx.islands import islands
from tests.networks import SHAPE, Fn


def prepared(function: Callable[..., Any], **spec: Any) -> Any:
    torch.manual_seed(0)
    model = Fn(function, second=nn.Conv2d(4, 4, 3), tail=nn.Conv2d(4, 2, 1)).eval()
    return qat.prepare(qat.rewrite(model, torch.zeros(SHAPE), "x86"), qat.QuantSpec(**spec))


def entropy(m: nn.Module, y: Tensor) -> Tensor:
    return m.second(torch.special.entr(torch.special.erfcx(y)))


def test_an_operation_without_int8_is_refused_by_name_and_line() -> None:
    expected = r"^special_erfcx \(.*test_islands\.py:\d+\) would run in float between .*QUANT\.ALLOW_FLOAT True"
    with pytest.raises(qat.UserError, match=expected):
        prepared(entropy)


def test_allowed_it_is_listed() -> None:
    found = islands(prepared(entropy, allow_float=True))
    assert [one.op for one in found] == ["special_erfcx"]
    assert "test_islands.py" in found[0].source


class Last(nn.Module):
    """An operation without int8 behind the last layer, so no island."""

    def __init__(self) -> None:
        super().__init__()
        self.tail = nn.Conv2d(3, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.special.erfcx(self.tail(x))


def test_errors_that_check_reports_are_refused_or_allowed() -> None:
    rewritten = qat.rewrite(Last().eval(), torch.zeros(SHAPE), "x86")
    expected = r"^special_erfcx \(.*test_islands\.py:\d+\) doesn't run on x86: .*QUANT\.ALLOW_FLOAT True"
    with pytest.raises(qat.UserError, match=expected):
        qat.prepare(rewritten)
    assert islands(qat.prepare(rewritten, qat.QuantSpec(allow_float=True))) == []


SOUND: dict[str, Callable[..., Any]] = {
    "sums and ReLUs": lambda m, y: m.second(F.relu(y + y).sigmoid() * y),
    "constants": lambda m, y: m.second((1 - y.sigmoid()) * y * 2 + 1),
    "moves": lambda m, y: m.second(torch.cat([y, y], 1)[:, :4].flip(3)),
    "pooling": lambda m, y: m.second(F.interpolate(F.avg_pool2d(y, 3, 1, 1), (18, 24), mode="bilinear")),
}


@pytest.mark.parametrize("name", SOUND)
def test_what_runs_in_int8_is_no_island(name: str) -> None:
    assert islands(prepared(SOUND[name])) == []


def test_float_behind_the_last_layer_is_no_island() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 1), nn.Softmax(1), nn.Softplus()).eval()
    assert islands(qat.prepare(qat.rewrite(model, torch.zeros(SHAPE), "x86"))) == []
