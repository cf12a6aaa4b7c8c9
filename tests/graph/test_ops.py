"""Every row's traits are what the operation does, and every operation that does so has the trait."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from qat.graph import trace
from qat.graph.nodes import find_op, op_of
from qat.graph.ops import BY_NAME, INT8_LAYERS, OPS, REQUIRED, Op
from tests.graph.operators import SAMPLES, Net

X = 3 * torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
NORMS = ("layer_norm", "group_norm", "instance_norm", "rms_norm")  # their gains are tensors that a step reads
FACTORS = torch.tensor([0.5, 2.0, 3.0, 0.25]).view(1, 4, 1, 1)


def run(name: str, x: Tensor) -> Any:
    with torch.no_grad():
        return SAMPLES[name](x)


def is_elementwise(name: str) -> bool:
    """Whether moving values around before it is moving them around behind it."""
    order = torch.randperm(X.numel(), generator=torch.Generator().manual_seed(1))
    x = X.abs() + 0.1 if name in ("log", "sqrt", "rsqrt") else X
    y = run(name, x)
    if not isinstance(y, Tensor) or y.shape != x.shape:
        return False
    return torch.allclose(run(name, x.flatten()[order].view(x.shape)), y.flatten()[order].view(x.shape))


def is_homogeneous(name: str) -> bool:
    """Whether a factor per channel passes."""
    y = run(name, X)
    if not isinstance(y, Tensor) or y.dim() != 4 or y.shape[1] != 4 or not y.is_floating_point():
        return False
    return torch.allclose(run(name, X * FACTORS), y * FACTORS, atol=1e-6)


def moves(name: str) -> bool:
    """Whether every value is one of an input's; a second input is 3 x."""
    y = run(name, X)
    values = torch.cat([part.flatten() for part in (y if isinstance(y, tuple | list) else [y])])
    if values.numel() == 0 or not values.is_floating_point():
        return False
    return bool(torch.isin(values, torch.cat([X, 3 * X]).flatten()).all())


def is_idle(name: str) -> bool:
    y = run(name, X)
    return isinstance(y, Tensor) and y.shape == X.shape and torch.equal(y, X)


def test_every_operation_has_a_sample() -> None:
    assert set(SAMPLES) == set(BY_NAME)


@pytest.mark.parametrize("name", SAMPLES)
def test_the_sample_is_that_operation(name: str) -> None:
    rows = [find_op(node) for node in trace(Net(SAMPLES[name]), X).graph.nodes]
    assert BY_NAME[name] in rows


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_elementwise(op: Op) -> None:
    assert is_elementwise(op.name) == (op.elementwise or op.idle)


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_homogeneous(op: Op) -> None:
    assert is_homogeneous(op.name) == (op.homogeneous or op.idle)


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_moves(op: Op) -> None:
    assert moves(op.name) == (op.moves or op.idle)


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_idle(op: Op) -> None:
    assert is_idle(op.name) == op.idle


@pytest.mark.parametrize("op", [op for op in OPS if op.bounds], ids=lambda op: op.name)
def test_bounds_are_reached_and_never_left(op: Op) -> None:
    y = run(op.name, X * 1000)
    assert op.bounds == (float(y.min()), float(y.max()))


@pytest.mark.parametrize("op", [op for op in OPS if op.resampling], ids=lambda op: op.name)
def test_resampling_averages(op: Op) -> None:
    assert torch.allclose(run(op.name, torch.ones_like(X))[:, :, 1:-1, 1:-1], torch.ones(1))
    y = run(op.name, X)
    assert X.min() <= y.min()
    assert y.max() <= X.max()


@pytest.mark.parametrize("op", [op for op in OPS if op.reshapes], ids=lambda op: op.name)
def test_reshapes_keep_the_order(op: Op) -> None:
    assert torch.equal(run(op.name, X).flatten(), X.flatten())


@pytest.mark.parametrize("op", [op for op in OPS if op.reduces], ids=lambda op: op.name)
def test_reductions_can_keep_their_axis(op: Op) -> None:
    assert run(op.name, X).shape == (1, 1, 8, 8)
    assert {"dim", "keepdim"} <= set(op.parameters)


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_layers_with_weights(op: Op) -> None:
    layer = SAMPLES[op.name]
    assert op.weight or op.name in NORMS or not (isinstance(layer, nn.Module) and list(layer.parameters()))
    assert (isinstance(layer, INT8_LAYERS)) == (op.weight == "int8")


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_operands(op: Op) -> None:
    required = [name for name, default in op.parameters.items() if default is REQUIRED]
    assert op.operands == (2 if "other" in required else 1)


def relu(x: Tensor) -> Tensor:
    return x + 1


torch.fx.wrap("relu")


def test_a_users_function_has_no_traits_of_a_name() -> None:
    (node,) = (node for node in trace(Net(lambda x: relu(x)), X).graph.nodes if node.op == "call_function")
    assert node.name == "relu"
    assert op_of(node) == Op("relu", {})


@pytest.mark.parametrize("kind", ["functions", "methods", "modules"])
def test_a_spelling_belongs_to_one_operation(kind: str) -> None:
    spellings = [spelling for op in OPS for spelling in getattr(op, kind)]
    assert len(spellings) == len(set(spellings))
