"""Isolated errors are one layer's own; the int8 kernels are calib's twins; tensors are freed."""

from __future__ import annotations

import copy
import weakref
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

import pytest
import torch
from torch import fx

from qat.analysis.compare_layers import LayerTensors, calib_beside_float
from qat.analysis.layer_error import measure
from qat.analysis.networks import Subject
from qat.backends.scales import keep_spec, spec_of
from qat.engine import choose_engine
from qat.graph.node_runner import NodeRunner
from tests.analysis.networks import block, samples

IMAGE = samples()[0].image


@pytest.fixture(scope="module")
def subject() -> Subject:
    return block()


@pytest.fixture(scope="module")
def on_torch(subject: Subject) -> Iterator[Subject]:
    """The same on torch.ao's kernels."""
    before = torch.backends.quantized.engine
    yield Subject(on_engine(subject.prepared), subject.plain, subject.example)
    torch.backends.quantized.engine = before


def on_engine(prepared: fx.GraphModule) -> fx.GraphModule:
    copied = copy.deepcopy(prepared)
    keep_spec(copied, replace(spec_of(prepared), engine=choose_engine().name))
    return copied


@torch.no_grad()
def tensors_of(subject: Subject) -> dict[str, LayerTensors]:
    return {one.name: one for one in calib_beside_float(subject.on, subject.off, IMAGE)}


@torch.no_grad()
def test_every_layer_is_seen_once_in_order(subject: Subject) -> None:
    names = [one.name for one in calib_beside_float(subject.on, subject.off, IMAGE)]
    assert sorted(names) == sorted(subject.on)
    assert len(names) == len(set(names))


@torch.no_grad()
def test_accumulated_is_the_run_and_isolated_the_layer_alone(subject: Subject) -> None:
    found = tensors_of(subject)
    assert torch.equal(found["tail"].accumulated, subject.on.graph(IMAGE))
    assert torch.equal(found["tail"].reference, subject.off.graph(IMAGE))
    deep = subject.on.layers["deep"]
    assert deep.weight is not None
    assert deep.activation is not None
    before = found["norm"].reference
    weight, bias = deep.weight.calibrated
    alone = torch.nn.functional.conv2d(before, weight, bias, padding=1).relu()
    torch.testing.assert_close(found["deep"].unrounded, alone)
    quantiser = subject.quantisers["deep"]
    low, high, zero = quantiser.quant_min, quantiser.quant_max, int(quantiser.zero_point)
    rounded = torch.fake_quantize_per_tensor_affine(alone, float(quantiser.scale), zero, low, high)
    torch.testing.assert_close(found["deep"].isolated, rounded)


@torch.no_grad()
def test_one_layer_off_has_no_isolated_error(subject: Subject) -> None:
    subject.on.set(False, ["conv"])
    try:
        found = tensors_of(subject)
    finally:
        subject.on.set(True)
    assert torch.equal(found["conv"].isolated, found["conv"].reference)
    assert not torch.equal(found["conv"].accumulated, found["conv"].reference)
    assert not torch.equal(found["deep"].isolated, found["deep"].reference)


def int8_errors(subject: Subject) -> dict[str, Any]:
    rows = measure(subject, samples(), lambda done: None).rows()["pairs"]["int_infer"]["layers"]
    return {row["name"]: row["isolated"]["relative_l2"] for row in rows}


def test_torchs_kernels_are_calibs_twins_up_to_a_rounding(on_torch: Subject) -> None:
    assert set(on_torch.twins.values()) == set(on_torch.on)
    found = int8_errors(on_torch)
    shared = {name: found.pop(name) for name in ("conv", "relu")}
    assert max(found.values()) < 1e-6
    assert min(shared.values()) > 1e-3  # torch's kernel of a module that is called twice has one output scale


def test_the_program_is_calibs_twin_up_to_a_rounding(subject: Subject) -> None:
    assert subject.runs_program  # since torch's kernels aren't
    found = int8_errors(subject)
    assert set(found) == set(subject.on)
    assert max(found.values()) < 1e-6


@torch.no_grad()
def test_a_wrong_kernel_is_found_where_it_is(subject: Subject) -> None:
    broken = Subject(on_engine(subject.prepared), subject.plain, subject.example)
    kernel = cast(Any, broken.converted.get_submodule("deep"))
    weight, _ = kernel._weight_bias()
    kernel.set_weight_bias(weight, torch.full((len(weight),), 5 * float(broken.quantisers["deep"].scale)))
    rows = measure(broken, samples(count=1), lambda done: None).rows()["pairs"]["int_infer"]["layers"]
    assert [row["name"] for row in rows if (row["isolated"]["max_steps"] or 0) > 1.5] == ["deep"]


@torch.no_grad()
@pytest.mark.parametrize("name", ["subject", "on_torch"])
def test_tensors_are_freed_after_their_last_reader(name: str, request: pytest.FixtureRequest) -> None:
    subject: Subject = request.getfixturevalue(name)
    held: list[weakref.ref[torch.Tensor]] = []

    def alive() -> int:
        return sum(one() is not None for one in held)

    def watched() -> Iterator[LayerTensors]:
        for one in calib_beside_float(subject.on, subject.off, IMAGE):
            held.append(weakref.ref(one.isolated))
            most.append(alive())
            yield one

    most: list[int] = []
    for _ in subject.int8_beside(watched(), IMAGE):
        pass
    assert max(most) <= 3 < len(held)


@torch.no_grad()
def test_a_run_ends_with_nothing_but_its_result(subject: Subject) -> None:
    run = NodeRunner(subject.off.graph, IMAGE)
    nodes = list(subject.off.graph.graph.nodes)
    result = run.finish(nodes, {})
    assert torch.equal(result, subject.off.graph(IMAGE))
    assert [node.op for node in run.env] == ["output"]
