"""The groups of a graph are legal: any factors on their free channels leave the function as it is."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, fx

import qat
from qat.backends.fx import float_view
from qat.graph.proof import difference
from qat.graph.shapes import propagate
from qat.ptq.equalise.groups import Channels, Groups, find_groups
from qat.ptq.equalise.run import scale_layers
from tests.networks import pictures
from tests.ptq.equalising import CASES, Case, prepared


def groups_of(graph: fx.GraphModule, picture: Tensor) -> Groups:
    propagate(graph, [picture])
    return find_groups(graph)


def reasons(groups: Groups, ids: Tensor) -> set[str | None]:
    return {groups.channels.reason(channel) for channel in ids.tolist()}


def random_factors(groups: Groups) -> Tensor:
    """Factors from 1/16 to 16 wherever they are allowed."""
    roots = groups.channels.roots(torch.arange(len(groups.channels)))
    exponents = torch.rand(len(roots), generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 8 - 4
    free = torch.tensor([groups.channels.reason(channel) is None for channel in roots.tolist()])
    return torch.where(free, exponents[roots], 0.0).exp2()


def change(graph: fx.GraphModule, picture: Tensor) -> float:
    """How far random factors move the outputs, in float64."""
    plain, picture = float_view(graph).double(), picture.double()
    with torch.no_grad():
        before = plain(picture)
        groups = groups_of(plain, picture)
        scale_layers(plain, groups, random_factors(groups))
        return difference(before, plain(picture))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_any_factors_on_free_channels_leave_the_function(case: Case) -> None:
    assert change(prepared(case), pictures()[0]) < 1e-6


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_channels_are_free_unless_there_is_a_reason(case: Case) -> None:
    graph = prepared(case)
    groups = groups_of(graph, pictures()[0])
    found = reasons(groups, groups.layers["first"].made)
    assert (found == {None}) if not case.reason else all(case.reason in str(reason) for reason in found)
    assert reasons(groups, groups.layers["first"].read) == {"the network's input"}
    assert reasons(groups, groups.layers["tail"].made) == {"the network's output"}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["pidnet_s", "pidnet_l"])
def test_pidnet_is_free_but_for_its_gates(name: str) -> None:
    torch.manual_seed(0)
    picture = torch.randn(1, 3, 64, 128)
    graph = qat.prepare(qat.rewrite(qat.build_model(name, 11).eval(), picture, "x86"))
    assert change(graph, picture) < 1e-6
    groups = groups_of(graph, picture)
    barriers = {
        str(reason).split(" at ")[0] for layer in groups.layers.values() for reason in reasons(groups, layer.made)
    }
    allowed = {"None", "the network's output", "read by sigmoid", "read by mul"}
    assert barriers <= allowed
    fixed = [name for name, layer in groups.layers.items() if None not in reasons(groups, layer.made)]
    assert len(fixed) <= 9


def test_channels_join_and_keep_the_first_reason() -> None:
    channels = Channels()
    one, two = channels.new(2), channels.new(2)
    channels.fix(two[1:], "a reason")
    channels.join(one, two)
    channels.fix(one[1:], "another")
    assert channels.reason(0) is None
    assert channels.reason(1) == "a reason"
    assert channels.roots(torch.cat([one, two])).tolist() == [0, 1, 0, 1]
    assert len(channels) == 4
