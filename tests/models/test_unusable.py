"""Tensors that no network computes with are refused by name, and nothing is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from qat.errors import UserError
from qat.models import load_checkpoint
from qat.models.checkpoint import load_pretrained


def layers() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))


def changed(name: str, value: Tensor) -> dict[str, Tensor]:
    return layers().state_dict() | {name: value}


WRONG = {
    "a half that overflowed": ("1.running_var", torch.full((4,), 7e4).half(), "1.running_var has infinity"),
    "nan": ("0.weight", torch.full((4, 3, 1, 1), float("nan")), "0.weight has NaN"),
    "integers": (
        "0.weight",
        torch.ones(4, 3, 1, 1, dtype=torch.int8),
        "0.weight is torch.int8, expected torch.float32",
    ),
    "complex": ("0.bias", torch.ones(4, dtype=torch.complex64), "0.bias is torch.complex64"),
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("load", [load_checkpoint, lambda model, path: load_pretrained(model, str(path))])
def test_it_is_refused_by_name(name: str, load: object, tmp_path: Path) -> None:
    key, value, said = WRONG[name]
    torch.save(changed(key, value), tmp_path / "c.pt")
    model = layers()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(UserError) as caught:
        load(model, tmp_path / "c.pt")  # type: ignore[operator]
    assert f"holds what no network computes with: {said}; " in str(caught.value)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_are_loaded(dtype: torch.dtype, tmp_path: Path) -> None:
    state = {
        name: value.to(dtype) if value.is_floating_point() else value for name, value in layers().state_dict().items()
    }
    torch.save(state, tmp_path / "c.pt")
    load_checkpoint(layers(), tmp_path / "c.pt")
