"""What becomes a step, what becomes part of one, and what they know."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import qat
from qat.compile.onnx.writer import to_onnx
from qat.errors import UserError
from qat.program.departures import compare_program
from qat.program.integers import moved
from qat.program.lower import program_of
from qat.program.steps import Program, Step
from tests.compile.operations import call
from tests.compile.small import NO_RULES, block, departing, of, small
from tests.compile.small import network as network_of
from tests.networks import SHAPE, shuffle_norms


def ops(program: Program) -> list[str]:
    return [f"{step.op}+relu" if step.relu else step.op for step in program.steps]


def middle(function: Callable[..., Any], **modules: nn.Module) -> list[str]:
    """The steps between the first convolution and the tail."""
    found = ops(small(function, **modules).program)
    assert (found[:2], found[-1]) == (["input", "conv2d"], "conv2d")
    return found[2:-1]


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda m, y: torch.relu(y + y), ["add+relu"]),
        (lambda m, y: torch.relu(y + y.sigmoid()) * y, ["sigmoid", "add+relu", "mul"]),
        (lambda m, y: (lambda z: torch.relu(z) * z)(y + y), ["add", "relu", "mul"]),
        (lambda m, y: torch.relu(F.dropout(y * y, training=False)), ["mul+relu"]),
        (lambda m, y: y * 2 + 1, ["scale_shift"]),
        (lambda m, y: torch.relu(y * 2 + 1), ["scale_shift+relu"]),
        (lambda m, y: torch.relu(y * 2) + 1, ["scale_shift+relu", "scale_shift"]),
        (lambda m, y: (lambda z: (z + 1) * z)(y * 2), ["scale_shift", "scale_shift", "mul"]),
    ],
)
def test_what_is_joined(function: Callable[..., Any], expected: list[str]) -> None:
    assert middle(function) == expected


def test_norms_and_relus_disappear_in_convolutions() -> None:
    layer = shuffle_norms(nn.Sequential(nn.Conv2d(4, 6, 3), nn.BatchNorm2d(6), nn.ReLU()))
    assert middle(lambda m, y: m.layer(y), layer=layer) == ["conv2d+relu"]


IDLE = [
    lambda m, y: (lambda z: torch.relu(z.contiguous()) * z)(y * y),
    lambda m, y: (lambda z: (z.detach() + 1) * z)(y * 2),
]


@pytest.mark.parametrize("function", IDLE)
def test_a_tensor_that_is_read_around_an_idle_operation_is_kept(function: Callable[..., Any]) -> None:
    network = small(function, target=NO_RULES)
    assert departing(to_onnx(network.program), network) == []
    assert ops(network.program)[-2] == "mul"
    assert len(network.program.steps) <= 7  # behind a constant torch.ao's grid of what is detached is another


def test_a_tensor_read_twice_comes_twice() -> None:
    program = small(lambda m, y: torch.cat([y, y * y, y], 1)).program
    assert program["mul"].inputs == ("first", "first")
    assert program["cat"].inputs == ("first", "mul", "first")


def test_grids_are_those_of_the_calibration() -> None:
    network = block()
    rows = qat.backends.scales.qparams(network.prepared)
    found = {step.name: step.quant for step in network.program.steps if step.quant and step.op != "scale_shift"}
    assert len(found) > 10
    for name, quant in found.items():
        row = rows[name]
        assert (quant.scale, quant.zero_point, [quant.low, quant.high]) == (
            row["scale"],
            row["zero_point"],
            row["levels"],
        )


def test_one_grid_for_what_a_concatenation_joins() -> None:
    program = block().program
    grids = {program[name].quant for name in program["cat"].inputs}
    assert grids == {program["cat"].quant}


def test_the_tail_is_float_and_its_weights_are_not() -> None:
    tail = block().program.steps[-1]
    assert tail.quant is None
    assert tail.weight is not None
    assert tail.weight.scales is not None


def test_float_programs_have_no_integers() -> None:
    program = block().float_program
    assert all(step.quant is None for step in program.steps)
    assert all(step.weight.scales is None for step in program.steps if step.weight)
    assert sum(step.relu for step in program.steps) == 5


def test_steps_know_where_they_come_from() -> None:
    program = small(lambda m, y: torch.relu(m.layer(y)) + 1, layer=nn.Conv2d(4, 6, 3, stride=2)).program
    layer = next(step for step in program.steps if step.module == "layer")
    assert (layer.op, layer.shape, layer.macs) == ("conv2d", (1, 6, 4, 5), 6 * 4 * 5 * 4 * 9)
    assert layer.attributes["stride"] == (2, 2)
    assert program.steps[0].shape == SHAPE
    assert all(":" in step.source for step in program.steps[1:])
    assert "test_lower.py" in layer.source


def test_constants_move_the_grid() -> None:
    program = small(lambda m, y: y * -0.5 + 3).program
    before, after = program["first"], program.steps[2]
    assert before.quant is not None
    assert after.attributes == {"scale": -0.5, "shift": 3.0}
    assert after.quant == moved(before.quant, -0.5, 3.0, before.quant.range)


def test_steps_run_in_order_and_every_one_is_read() -> None:
    program = block().program
    done: set[str] = set()
    for step in program.steps:
        assert set(step.inputs) <= done
        done.add(step.name)
    read = {name for step in program.steps for name in step.inputs} | set(program.outputs)
    assert {step.name for step in program.steps} == read


def test_the_calibration_stays_as_it_was() -> None:
    network = of(call("relu", "", lambda y: torch.relu(y + y)))
    before = {key: value.clone() for key, value in network.prepared.state_dict().items()}
    assert isinstance(network.program.steps[0], Step)
    assert all(torch.equal(value, before[key]) for key, value in network.prepared.state_dict().items())


def test_the_float_program_needs_no_calibration() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 3, 1)).eval()
    example = torch.zeros(SHAPE)
    prepared = qat.prepare(qat.rewrite(network, example, "x86"))
    program = program_of(prepared, example, quantised=False)
    assert ops(program) == ["input", "conv2d+relu", "conv2d"]
    assert not any(step.quant for step in program.steps)
    with pytest.raises(UserError, match="was never seen"):
        program_of(prepared, example)


@pytest.mark.parametrize("layer", [False, True])
def test_what_a_pad_reads_is_rounded_before_it(layer: bool) -> None:
    """torch.ao rounds behind a pad alone: the picture, and a SiLU that is joined with another too, were in float."""

    class Padded(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Conv2d(3, 4, 3, stride=2), nn.Conv2d(4, 4, 3)
            self.tail, self.layer = nn.Conv2d(8, 2, 1), nn.ZeroPad2d((0, 1, 0, 1))

        def pad(self, x: torch.Tensor) -> torch.Tensor:
            return self.layer(x) if layer else F.pad(x, (0, 1, 0, 1))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = F.silu(self.first(self.pad(x)))
            return self.tail(torch.cat([F.relu(self.second(F.pad(self.pad(y), (1, 0, 1, 0)))), y], 1))

    torch.manual_seed(0)
    network = network_of(Padded(), SHAPE)
    assert all(step.quant for step in network.program.steps[:-1])
    assert [str(one) for one in compare_program(network, network.example) if one.departs] == []
