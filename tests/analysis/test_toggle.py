"""Everything on is stage calib, everything off is float; each layer switches alone."""

from __future__ import annotations

import pytest
import torch

from qat.analysis.networks import Subject
from qat.analysis.toggle import switched
from qat.backends.fx import fake_quantized, float_view
from qat.errors import UserError
from qat.program.steps import Program
from tests.analysis.networks import block, samples

IMAGE = samples()[0].image


@pytest.fixture(scope="module")
def subject() -> Subject:
    return block()


@torch.no_grad()
def test_all_on_is_calib_and_all_off_is_float(subject: Subject) -> None:
    assert torch.equal(subject.on.graph(IMAGE), fake_quantized(subject.prepared)(IMAGE))
    assert torch.equal(subject.off.graph(IMAGE), float_view(subject.plain)(IMAGE))


def test_layers_are_what_the_program_rounds_and_its_tail(subject: Subject) -> None:
    program: Program = subject.program
    own = [step.name for step in program.steps if step.quant and step.op != "scale_shift"]
    assert list(subject.on) == [step.name for step in program.steps if step.name in (*own, *program.outputs)]


@torch.no_grad()
def test_each_layer_changes_the_output_alone_and_goes_back(subject: Subject) -> None:
    floating = subject.off.graph(IMAGE)
    for name in subject.off:
        subject.off.set(True, [name])
        changed = subject.off.graph(IMAGE)
        subject.off.set(False, [name])
        assert torch.equal(subject.off.graph(IMAGE), floating)
        assert not torch.equal(changed, floating) or name in ("relu", "cat"), name


@torch.no_grad()
def test_weights_and_activations_apart(subject: Subject) -> None:
    both, floating = subject.on.graph(IMAGE), subject.off.graph(IMAGE)
    with switched(subject.on, weights=True, activations=False):
        weights = subject.on.graph(IMAGE)
    with switched(subject.on, weights=False, activations=True):
        activations = subject.on.graph(IMAGE)
    with switched(subject.on, weights=False, activations=False):
        assert torch.equal(subject.on.graph(IMAGE), floating)
    assert torch.equal(subject.on.graph(IMAGE), both)
    assert len({float((x - floating).norm()) for x in (both, weights, activations)}) == 3


def test_a_wrong_name(subject: Subject) -> None:
    with pytest.raises(UserError, match=r"no layer is called stem_1; did you mean stem_0\?"):
        subject.on.set(False, ["stem_1"])
