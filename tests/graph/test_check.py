from __future__ import annotations

import inspect

import pytest
import torch
from torch import Tensor, nn

from qat.errors import UserError
from qat.graph import check, rewrite, trace


class Illegal(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)
        self.act = nn.GELU()

    def forward(self, x: Tensor) -> Tensor:
        y = self.act(self.conv(x))
        y = y * torch.sum(y, dim=1).unsqueeze(1)
        return torch.special.expit(1 - y)


X = torch.zeros(1, 3, 8, 16)


def line_of(text: str) -> str:
    lines, first = inspect.getsourcelines(Illegal)
    return f"tests/graph/test_check.py:{first + next(i for i, line in enumerate(lines) if text in line)}"


def test_lists_every_violation_with_its_line() -> None:
    found = [(v.severity, v.op, v.source) for v in check(Illegal(), X, "x86")]
    assert found == [
        ("warning", "gelu", line_of("self.act(")),
        ("warning", "sum", line_of("torch.sum")),
        ("warning", "sub", line_of("1 - y")),
        ("error", "special_expit", line_of("1 - y")),
    ]


def test_every_violation_says_what_to_do() -> None:
    found = check(Illegal(), X, "x86") + check(Illegal(), X, "j5")
    assert all(v.message and v.fix and v.node for v in found)
    assert "rule channel_sum" in next(v.fix for v in found if v.op == "sum")


def test_targets_differ() -> None:
    found = {(v.severity, v.op, v.message) for v in check(Illegal(), X, "j5")}
    assert ("error", "unsqueeze", "j5 has no int8 unsqueeze") in found
    dropped = "sum drops its axis: fine before Linear or at the end; four axes are wanted elsewhere"
    assert ("warning", "sum", dropped) in found
    assert ("warning", "gelu", "gelu is read from a table: accuracy") in found


def test_fewer_after_rewriting() -> None:
    after = check(rewrite(Illegal(), X, "x86").module, X, "x86")
    assert [v.op for v in after] == ["gelu", "special_expit"]
    assert after[1].source == line_of("1 - y")


def test_takes_a_model_or_its_graph() -> None:
    assert check(trace(Illegal(), X), X, "x86") == check(Illegal(), X, "x86")


def test_sizes_are_those_of_the_example() -> None:
    pool = nn.AvgPool2d(257, 1, 128)
    assert [v.message for v in check(pool, X.repeat(1, 1, 40, 20), "j5")] == ["kernel_size 257 is above 256"]
    wide = check(nn.MaxPool2d(1), torch.zeros(1, 1, 2, 8208), "j5")
    assert [v.message for v in wide] == ["an input of ((1, 1, 2, 8208),) has a side above 8192"]


def test_unknown_target() -> None:
    with pytest.raises(UserError, match=r"unknown target QUANT.TARGET x68; did you mean x86"):
        check(nn.ReLU(), X, "x68")
