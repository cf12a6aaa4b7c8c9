"""Roundings of which many lie half way between two levels: the file says what stage calib says."""

from __future__ import annotations

import pytest
from torch import nn

from qat.compile.network import Network
from qat.compile.onnx.values import SPELLINGS
from qat.compile.onnx.writer import to_onnx
from qat.compile.verify.tensors import compare_tensors
from qat.program.steps import Step
from tests.compile.small import kinds, small
from tests.networks import pictures


def bent(bend: nn.Module) -> tuple[Network, Step]:
    """A network and its step `bend`, whose largest value is its input's too, so that both have one grid."""
    network = small(lambda m, y: m.bend(y.abs() + 1.5 * y), bend=bend)
    step = next(step for step in network.program.steps if step.op in ("prelu", "leaky_relu"))
    source = network.program[step.inputs[0]].quant
    assert source
    assert source == step.quant  # else there is no tie
    return network, step


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("bend", [nn.PReLU(4, 0.25), nn.PReLU(1, 0.5), nn.LeakyReLU(0.1)], ids=str)
def test_no_tie_falls_to_the_other_side(bend: nn.Module, spelling: str) -> None:
    network, step = bent(bend)
    picture = pictures(tuple(network.example.shape), 1, 2)[0]
    found = compare_tensors(to_onnx(network.program, SPELLINGS[spelling]), network, picture.numpy(), picture)
    assert {one.name: one.share for one in found}[step.name] == 0


def test_without_ties_nothing_is_multiplied() -> None:
    network, _ = bent(nn.LeakyReLU(0.3001))
    assert kinds(to_onnx(network.program, SPELLINGS["ort"])).count("Mul") == 1  # the network's own
