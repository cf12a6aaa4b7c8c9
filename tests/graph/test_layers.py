"""Multiply-accumulates, counted by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from qat.graph.layers import macs
from qat.graph.trace import trace
from tests.compile.small import small

LAYERS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], int]] = {
    "convolution": (lambda: nn.Conv2d(3, 8, 3, padding=1, stride=2), (2, 3, 8, 10), 2 * 8 * 4 * 5 * 3 * 9),
    "grouped": (lambda: nn.Conv2d(4, 8, (1, 3), groups=2), (1, 4, 6, 6), 8 * 6 * 4 * 2 * 3),
    "depthwise": (lambda: nn.Conv2d(4, 4, 3, groups=4), (1, 4, 6, 6), 4 * 4 * 4 * 9),
    "transposed": (lambda: nn.ConvTranspose2d(4, 6, 2, 2), (1, 4, 5, 5), 4 * 5 * 5 * 6 * 4),
    "transposed, grouped": (lambda: nn.ConvTranspose2d(4, 6, 3, groups=2), (1, 4, 5, 5), 4 * 5 * 5 * 3 * 9),
    "linear": (lambda: nn.Linear(5, 7), (2, 3, 5), 2 * 3 * 7 * 5),
    "norm": (lambda: nn.BatchNorm2d(4), (1, 4, 6, 6), 0),
    "ReLU": (lambda: nn.ReLU(), (1, 4, 6, 6), 0),
}


@pytest.mark.parametrize("name", LAYERS)
def test_by_hand(name: str) -> None:
    make, shape, expected = LAYERS[name]
    graph = trace(nn.Sequential(make()), torch.zeros(shape))
    node: Any = next(node for node in graph.graph.nodes if node.op == "call_module")
    assert macs(node) == expected


def test_a_program_adds_them_up() -> None:
    """3x3 over 3 channels, 1x1 to 6 with a ReLU, the tail to 2; pictures of 9x12."""
    program = small(lambda m, y: torch.relu(m.layer(y)), layer=nn.Conv2d(4, 6, 1)).program
    assert program.macs == 9 * 12 * (4 * 3 * 9 + 6 * 4 + 2 * 6)
