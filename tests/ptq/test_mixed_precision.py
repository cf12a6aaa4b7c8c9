"""As few layers as possible in more bits, until the bound holds."""

from __future__ import annotations

from itertools import combinations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, fx, nn

import qat
from qat.backends.fx import fake_quantized
from qat.backends.scales import freeze_scales, kept_bits, quantisers
from qat.errors import UserError
from qat.graph.shapes import propagate
from qat.ptq.mixed_precision import fewest, hold_drop, share_of_macs

SHAPE = (1, 3, 8, 8)


class Net(nn.Module):
    """The second convolution's output has one huge channel that the third one ignores: its rounding costs the most."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 1)
        self.last = nn.Conv2d(4, 2, 1)
        with torch.no_grad():
            self.second.weight[0] *= 200
            self.last.weight[:, 0] = 0

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.second(torch.relu(self.first(x))))


@pytest.fixture
def graph() -> fx.GraphModule:
    torch.manual_seed(0)
    prepared = qat.prepare(qat.rewrite(Net().eval(), torch.randn(SHAPE), "x86"))
    qat.calibrate(prepared, [torch.randn(SHAPE) for _ in range(4)])
    freeze_scales(prepared)
    propagate(prepared, [torch.randn(SHAPE)])
    return prepared


def quality(prepared: fx.GraphModule) -> Quality:
    everything = fake_quantized(prepared)
    return Quality(everything)


class Quality:
    """Stands in for mIoU: 1 less the relative error of the output."""

    def __init__(self, worst: nn.Module) -> None:
        torch.manual_seed(0)
        self.floating, self.x = Net().eval(), torch.randn(4, *SHAPE[1:])
        self.worst = self(worst)

    def __call__(self, network: nn.Module) -> float:
        expected = self.floating(self.x)
        return 1 - float(((network(self.x) - expected).norm() / expected.norm()).detach())


def layers(prepared: fx.GraphModule) -> list[str]:
    return [node.all_input_nodes[0].name for node, _ in quantisers(prepared)]


@given(st.sets(st.integers(0, 9)))
def test_exactly_what_is_needed_is_kept(needed: set[int]) -> None:
    assert fewest([str(i) for i in range(10)], lambda some: needed <= {int(i) for i in some}) == [
        str(i) for i in sorted(needed)
    ]


def test_a_loose_bound_needs_nothing(graph: fx.GraphModule) -> None:
    judge = quality(graph)
    found = hold_drop(graph, lambda: pytest.fail("no need"), judge, fake_quantized, (1.0, 1 - judge.worst + 1e-6), 32)
    assert found.layers == ()
    assert found.macs == 0
    assert kept_bits(graph) == {}
    assert "none needed" in str(found)


@pytest.mark.parametrize("bits", [16, 32])
def test_the_bound_holds_and_no_smaller_head_holds_it(graph: fx.GraphModule, bits: int) -> None:
    judge, ranking = quality(graph), ["second", *(name for name in layers(graph) if name != "second")]
    allowed = 0.5 * (1 - judge.worst)
    found = hold_drop(graph, lambda: ranking, judge, fake_quantized, (1.0, allowed), bits)
    assert found.layers == ("second",)
    assert kept_bits(graph) == {"second": bits}
    assert 1 - judge(fake_quantized(graph)) == pytest.approx(found.drop)
    assert found.drop <= allowed
    assert ("float" if bits == 32 else "int16") in str(found)


def test_the_cost_is_what_reads_or_gives_the_tensor(graph: fx.GraphModule) -> None:
    pixels = 8 * 8
    first, second, last = 3 * 4 * 9 * pixels, 4 * 4 * pixels, 4 * 2 * pixels
    assert share_of_macs(graph, ["second"]) == pytest.approx((second + last) / (first + second + last))


def test_what_no_bits_can_hold_says_so(graph: fx.GraphModule) -> None:
    with pytest.raises(UserError, match=r"QUANT.MAX_DROP 0.0 can't be held: with every layer in 16 bits"):
        hold_drop(graph, lambda: layers(graph), quality(graph), fake_quantized, (1.0, 0.0), 16)


def test_brute_force_agrees_on_the_number(graph: fx.GraphModule) -> None:
    names = [str(i) for i in range(6)]
    needs = [{"1", "4"}, {"2"}]

    def holds(some: object) -> bool:
        return all(need & set(some) for need in needs)  # type: ignore[call-overload]

    least = next(n for n in range(7) if any(holds(c) for c in combinations(names, n)))
    found = fewest(names, holds)
    assert found is not None
    assert len(found) == least
    assert holds(found)
