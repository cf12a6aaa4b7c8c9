"""Every scale of a state is finite and above 0; older states said open and float by 0 and -1, and are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, fx, nn

import qat
from qat.backends.scales import freeze_scales, keep_bits, reset_scales
from qat.backends.weight_scales import add_weight_scales, as_now, in_float, weighted, wrong_scale
from tests.networks import pictures

SHAPE = (1, 3, 12, 16)


def prepared() -> fx.GraphModule:
    torch.manual_seed(0)
    layers = nn.Conv2d(3, 8, 3), nn.ReLU(), nn.ConvTranspose2d(8, 4, 2, stride=2), nn.ReLU(), nn.Conv2d(4, 2, 1)
    graph = qat.prepare(qat.rewrite(nn.Sequential(*layers).eval(), pictures(SHAPE)[0], "x86"))
    qat.calibrate(graph, pictures(SHAPE))
    return graph


def older(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """As the version before wrote it."""
    found = dict(state)
    for name in state:
        owner, _, leaf = name.rpartition(".")
        if leaf == "weight_settled":
            settled, bits = found.pop(name), found.pop(f"{owner}.weight_bits")
            scale = found[f"{owner}.weight_scale"]
            marked = torch.full_like(scale, -1.0) if bits == 32 else torch.zeros_like(scale)
            found[f"{owner}.weight_scale"] = marked if bits == 32 or not settled else scale
    return found


def graphs() -> dict[str, fx.GraphModule]:
    unsettled, settled, mixed = prepared(), prepared(), prepared()
    freeze_scales(settled)
    freeze_scales(mixed)
    keep_bits(mixed, ["_0"], 32)
    return {"open": unsettled, "settled": settled, "mixed": mixed}


@pytest.mark.parametrize("name", ["open", "settled", "mixed"])
def test_scales_are_finite_and_above_0_in_every_state(name: str) -> None:
    graph = graphs()[name]
    assert wrong_scale(graph.state_dict()) == ""
    assert [in_float(module) for module in weighted(graph)] == [name == "mixed", False, False]


@pytest.mark.parametrize("name", ["open", "settled", "mixed"])
def test_an_older_state_is_read_as_what_it_meant(name: str) -> None:
    graph, fresh, x = graphs()[name], prepared(), pictures(SHAPE)[0]
    fresh.load_state_dict(as_now(older(graph.state_dict()), fresh.state_dict()))
    assert torch.equal(qat.fake_quantized(fresh)(x), qat.fake_quantized(graph)(x))
    assert wrong_scale(fresh.state_dict()) == ""


def test_a_state_of_today_stays_as_it_is() -> None:
    state = graphs()["mixed"].state_dict()
    assert all(torch.equal(value, state[name]) for name, value in as_now(state, state).items())


def test_scales_that_are_forgotten_are_chosen_again() -> None:
    graph = graphs()["mixed"]
    before = graphs()["settled"].state_dict()
    reset_scales(graph)
    freeze_scales(graph)
    assert all(torch.equal(value, before[name]) for name, value in graph.state_dict().items())


@pytest.mark.parametrize("wrong", [0.0, -1.0, float("nan"), float("inf")])
@pytest.mark.parametrize("ending", [".weight_scale", ".scale"])
def test_any_other_scale_is_refused_by_name(wrong: float, ending: str, tmp_path: Path) -> None:
    graph: Any = graphs()["settled"]
    name, value = next((name, value) for name, value in graph.state_dict().items() if name.endswith(ending))
    value[0] = wrong
    qat.save_calibration(graph, tmp_path / "c.ckpt", 1)
    with pytest.raises(qat.UserError) as caught:
        qat.load_calibration(prepared(), tmp_path / "c.ckpt")
    assert f"({name} is {wrong:g}, and a scale is finite and above 0)" in str(caught.value)


def test_a_parameter_called_scale_may_be_anything() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.tensor([-1.0, 0.0]))
            self.conv = nn.Conv2d(3, 2, 1)

    model = Scaled()
    add_weight_scales(model)
    assert wrong_scale(model.state_dict()) == ""
