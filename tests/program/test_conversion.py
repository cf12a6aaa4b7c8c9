"""Conversion holds torch.ao's kernels against stage calib, and takes the program where they depart."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import fx, nn

import qat
from qat.program.conversion import TORCH_AO, choose_kernels
from qat.program.departures import compare_converted, compare_program
from qat.program.run import ProgramNetwork
from tests.compile.small import block, small
from tests.networks import pictures


@pytest.fixture(autouse=True)
def _engine() -> Iterator[None]:
    before = torch.backends.quantized.engine
    yield
    torch.backends.quantized.engine = before


def plain(spec: qat.QuantSpec | None = None) -> Any:
    """A network that torch.ao's kernels compute as stage calib does."""
    return small(lambda m, y: F.relu(m.conv(y) + y).sigmoid() * y, spec, conv=nn.Conv2d(4, 4, 3, padding=1))


DEPARTING: dict[str, tuple[Callable[..., Any], Callable[[], nn.Module], str]] = {
    "other channels": (lambda m, y: m.layer(y), lambda: nn.ConvTranspose2d(4, 6, 2, 2), r"layer \(conv_transpose2d, "),
    "output_padding": (
        lambda m, y: m.layer(y),
        lambda: nn.ConvTranspose2d(4, 4, 3, 2, 1, output_padding=1),
        "can't run this network",
    ),
    "a layer called twice": (lambda m, y: m.layer(m.layer(y)), lambda: nn.Conv2d(4, 4, 3), r"layer\w* \(conv2d, "),
}


def test_every_layer_is_found_and_agrees() -> None:
    network = plain()
    compared = compare_converted(network, network.example)
    assert {one.name for one in compared} == set(network.program.by_name)
    assert [str(one) for one in compared if one.departs] == []


def test_where_all_layers_agree_torch_runs() -> None:
    network = plain()
    assert choose_kernels(network, network.example).name == TORCH_AO
    assert isinstance(qat.convert(network.prepared), fx.GraphModule)
    assert isinstance(qat.convert(network.prepared, engine="program"), ProgramNetwork)


@pytest.mark.parametrize("case", DEPARTING)
def test_where_one_departs_the_program_runs_and_says_why(case: str) -> None:
    function, layer, named = DEPARTING[case]
    network = small(function, layer=layer())
    kernels = choose_kernels(network, network.example)
    assert kernels.name == "program"
    assert re.search(named, kernels.reason)
    assert [str(one) for one in compare_program(network, network.example) if one.departs] == []
    int8, picture = qat.convert(network.prepared, picture=network.example), pictures(count=1, seed=9)[0]
    assert isinstance(int8, ProgramNetwork)
    with torch.no_grad():
        assert torch.isclose(int8(picture), network.calib(picture), atol=0.05).float().mean() > 0.95
    with pytest.raises(qat.UserError, match=rf"torch\.ao's engine \w+ .*{named}.*set QUANT\.ENGINE auto or program"):
        qat.convert(network.prepared, engine=torch.backends.quantized.engine)


def test_another_engine_changes_nothing_in_the_calibrated_graph() -> None:
    network = plain()
    before = copy.deepcopy(network.prepared.state_dict())
    qat.convert(network.prepared, engine="program")
    assert qat.backends.scales.spec_of(network.prepared).engine == "auto"
    assert all(torch.equal(value, before[name]) for name, value in network.prepared.state_dict().items())


def test_an_engine_that_does_not_exist_is_one_line() -> None:
    with pytest.raises(qat.UserError, match=r"QUANT\.ENGINE onedn is not in this torch; did you mean onednn"):
        qat.convert(plain().prepared, engine="onedn")


def test_a_program_that_departs_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = ProgramNetwork.tensors

    def off(self: ProgramNetwork, x: torch.Tensor) -> dict[str, torch.Tensor]:
        found = honest(self, x)
        return found | {"gate": found["gate"] + 3 * self.program["gate"].quant.scale}  # type: ignore[union-attr]

    monkeypatch.setattr(ProgramNetwork, "tensors", off)
    expected = r"the program departs: gate \(conv2d, .*off by up to 3\.00 scale steps.*QUANT\.HIGH_PRECISION"
    with pytest.raises(qat.UserError, match=expected):
        qat.convert(block().prepared)  # its layer `conv` is called twice, which torch.ao gets wrong


def test_a_layer_that_torch_cannot_convert_leaves_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: object, **__: object) -> None:
        raise NotImplementedError("quantised tensors were removed\nsee the tracker")

    monkeypatch.setattr(torch, "quantize_per_tensor", gone)
    network = plain()
    kernels = choose_kernels(network, network.example)
    assert kernels.name == "program"
    assert "(NotImplementedError: quantised tensors were removed)" in kernels.reason
