"""Every step of a program, run on integers, gives what stage calib gives of the same tensors."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace

import pytest
import torch
from torch import nn

import qat
from qat.program import kernels
from qat.program.calibrated import CalibratedNetwork
from qat.program.departures import compare_program
from qat.program.levels import to_levels, to_real
from qat.program.run import ProgramNetwork
from qat.program.steps import Program, Quant, Step
from tests.compile.small import block
from tests.compile.small import network as network_of
from tests.networks import BLOCK, pictures


@pytest.mark.parametrize("scheme", ["symmetric", "affine"])
def test_a_block_of_everything_is_as_near_to_float_as_calib(scheme: str) -> None:
    network = block(qat.QuantSpec(scheme=scheme, observer="min_max"))
    picture = pictures(tuple(network.example.shape), 1, seed=7)[0]
    assert [str(one) for one in compare_program(network, picture) if one.departs] == []
    with torch.no_grad():
        calib, program = network.calib(picture), ProgramNetwork(network.program)(picture)
    assert torch.isclose(program, calib, atol=float(calib.abs().max()) * 0.02).float().mean() > 0.95


def test_without_the_kernels_the_reference_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    network, picture = block(), pictures(BLOCK, 1)[0]
    monkeypatch.setattr(kernels, "_agrees", lambda: False)
    kernels.available.cache_clear()
    try:
        assert not kernels.available()
        found = ProgramNetwork(network.program)(picture)
    finally:
        kernels.available.cache_clear()
    assert torch.equal(found, ProgramNetwork(network.program, exact=True)(picture))


def test_a_program_is_copied_and_pickled_before_and_after_it_ran() -> None:
    network, picture = block(), pictures(BLOCK, 1)[0]
    runs = ProgramNetwork(network.program)
    before = copy.deepcopy(runs)
    expected = runs(picture)
    for other in (before, copy.deepcopy(runs), pickle.loads(pickle.dumps(runs))):
        assert torch.equal(other(picture), expected)
    assert not runs.state_dict()


def test_several_outputs_come_in_order() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Conv2d(3, 2, 1), nn.Conv2d(3, 4, 1)

        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return self.first(x), self.second(x)

    torch.manual_seed(0)
    first, second = ProgramNetwork(network_of(Two(), (1, 3, 8, 8)).program)(torch.randn(1, 3, 8, 8))
    assert (first.shape[1], second.shape[1]) == (2, 4)


def test_max_pooling_of_large_pictures_with_the_channels_last() -> None:
    """torch refuses such uint8 tensors above 255 pixels."""
    picture = pictures((1, 3, 32, 32), 1)[0].contiguous(memory_format=torch.channels_last)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.MaxPool2d(2), nn.Conv2d(4, 2, 1)).eval()
    prepared = qat.prepare(qat.rewrite(model, picture, "x86"))
    qat.calibrate(prepared, [picture])
    network = CalibratedNetwork(prepared, picture)
    assert not any(difference.departs for difference in compare_program(network, picture))
    assert ProgramNetwork(network.program)(picture).shape == (1, 2, 15, 15)


def test_levels_round_ties_to_even_and_clip() -> None:
    quant = Quant(0.5, 128)
    levels = to_levels(torch.tensor([0.25, 0.75, -0.25, 1e9, -1e9]), quant)
    assert levels.tolist() == [128, 130, 128, 255, 0]
    assert to_real(levels, quant)[1] == 1.0


def test_a_grid_of_fewer_levels_is_clipped_there() -> None:
    """Without VNNI activations take 128 levels; the kernels clip at 255 only."""
    network, picture = block(), 8 * pictures(BLOCK, 1)[0]
    levels = {"high": 127, "zero_point": 64}
    narrow = [replace(one, quant=replace(one.quant, **levels)) if one.quant else one for one in network.program.steps]
    program = Program(tuple(narrow), network.program.outputs)
    fast, exact = ProgramNetwork(program), ProgramNetwork(program, exact=True)
    for name, tensor in fast.tensors(picture).items():
        quant = program[name].quant
        assert quant is None or tensor.max() <= quant.range[1]
    assert torch.allclose(fast(picture), exact(picture), rtol=1e-4, atol=1e-5)  # the tail gives float


def test_a_step_that_no_program_runs_is_one_line() -> None:
    steps = (Step("odd", "cholesky", (), (1, 2), source="net.py:7"),)
    with pytest.raises(qat.UserError, match=r"net\.py:7: cholesky \(odd\) has no function"):
        ProgramNetwork(Program(steps, ("odd",)))(torch.zeros(1, 2))


def test_a_step_that_fails_is_one_line() -> None:
    steps = (Step("x", "input", (), (1, 3)), Step("y", "conv2d", ("x",), (1, 3), source="net.py:7"))
    broken = replace(steps[1], op="permute", attributes={"dims": (0, 1, 2, 3)})
    with pytest.raises(qat.UserError, match=r"^net\.py:7: permute \(y\) doesn't run in the program \(RuntimeError: "):
        ProgramNetwork(Program((steps[0], broken), ("y",)))(torch.zeros(1, 3))
