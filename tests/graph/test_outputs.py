"""Outputs by name: dicts, dataclasses, named tuples, nested."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from qat.graph import rewrite
from qat.graph.nodes import op_name
from qat.graph.proof import TOLERANCE, difference, plain
from qat.torch_private import tree_flatten
from tests.graph.test_trace import Untraceable as Function

SHAPE = (2, 8, 12, 16)


@dataclass
class Outputs:
    logits: Tensor
    aux: Tensor | None = None


class Pair(NamedTuple):
    logits: Tensor
    aux: Tensor


@pytest.mark.parametrize(
    "outputs",
    [
        lambda x: {"out": x * 2, "aux": [x + 1]},
        lambda x: OrderedDict(out=x * 2, aux=x + 1),
        lambda x: Outputs(x * 2),
        lambda x: Outputs(x * 2, x + 1),
        lambda x: [Outputs(x * 2), {"aux": x + 1}],
    ],
    ids=["dict", "OrderedDict", "dataclass with None", "dataclass", "nested"],
)
def test_outputs_by_name(outputs: Callable[[Tensor], Any]) -> None:
    """The graph gives dicts; each float tensor comes out of a stub; another key or value is a difference."""
    model, x = Function(outputs), torch.randn(SHAPE)
    module = rewrite(model, x, "x86").module
    got = module(x)
    assert difference(model(x), got) <= TOLERANCE
    assert tree_flatten(got)[1] == tree_flatten(plain(model(x)))[1]
    sources = next(node for node in module.graph.nodes if node.op == "output").all_input_nodes
    assert {op_name(source) for source in sources} == {"dequant_stub"}
    assert difference(model(x), model(x + 1)) > TOLERANCE


def test_outputs_of_other_names_differ() -> None:
    x = torch.ones(1)
    assert difference(Outputs(x), {"logits": x, "aux": None}) == 0
    assert difference(Outputs(x), {"logits": x}) == float("inf")
    assert difference(OrderedDict(a=x), {"b": x}) == float("inf")


def test_named_tuple_output() -> None:
    x = torch.randn(SHAPE)
    module = rewrite(Function(lambda x: tuple(Pair(x * 2, x + 1))), x, "x86").module
    assert difference((x * 2, x + 1), module(x)) <= TOLERANCE
