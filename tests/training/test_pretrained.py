from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch

from qat.errors import UserError
from qat.training.pretrained import load_pretrained
from tests.networks import tiny_net


def test_what_fits_is_loaded_and_the_rest_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    given, model = tiny_net(1), tiny_net(2)
    head = model.final_layer.weight.detach().clone()
    state = {key: value for key, value in given.state_dict().items() if not key.startswith("seghead_d")}
    state |= {"final_layer.weight": torch.zeros(9, 8, 1, 1), "fc.weight": torch.zeros(5)}
    torch.save({"state_dict": state}, tmp_path / "imagenet.pth.tar")
    with caplog.at_level(logging.INFO):
        load_pretrained(model, str(tmp_path / "imagenet.pth.tar"))
    assert torch.equal(model.body[0].weight, given.body[0].weight)  # type: ignore[arg-type]
    assert torch.equal(model.final_layer.weight, head)
    assert "keep their random weights: final_layer.weight, seghead_d.bias, seghead_d.weight" in caplog.text
    assert "not used, the network has none such: fc.weight, final_layer.weight" in caplog.text


@pytest.mark.parametrize(
    ("state", "message"), [(None, "no checkpoint at .*PRETRAINED"), ({"fc": torch.zeros(1)}, "nothing in")]
)
def test_useless_weights_are_an_error(tmp_path: Path, state: dict[str, torch.Tensor] | None, message: str) -> None:
    if state is not None:
        torch.save(state, tmp_path / "w.pt")
    with pytest.raises(UserError, match=message):
        load_pretrained(tiny_net(), str(tmp_path / "w.pt"))
