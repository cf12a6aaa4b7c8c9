"""aux_mode means the same for every network."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from qat.errors import UserError
from qat.graph import trace
from qat.models import build_model, load_checkpoint
from tests.models.seeded import seed_network, seeded_picture

CLASSES = 4
WITH_CLASSES = ["pidnet_s", "bisenetv1", "bisenetv2", "ddrnet23_slim", "litehrnet18_seg", "mnasnet0_5"]


def outputs(name: str, aux_mode: str) -> Tensor | list[Tensor]:
    with torch.inference_mode():
        return seed_network(build_model(name, CLASSES, aux_mode))(seeded_picture(64, 64))


@pytest.mark.parametrize("name", WITH_CLASSES)
def test_pred_is_the_argmax_of_eval(name: str) -> None:
    classes, logits = outputs(name, "pred"), outputs(name, "eval")
    assert isinstance(classes, Tensor)
    assert classes.dtype == torch.int32
    assert torch.equal(classes, logits.argmax(1).int())


@pytest.mark.parametrize("name", ["bisenetv2", "ddrnet23_slim"])
def test_train_gives_every_head(name: str) -> None:
    assert isinstance(outputs(name, "train"), list)


def test_pred_keeps_the_keys_and_is_traced(tmp_path) -> None:  # type: ignore[no-untyped-def]
    network, logits = (seed_network(build_model("bisenetv2", CLASSES, mode)) for mode in ("pred", "eval"))
    torch.save(logits.state_dict(), tmp_path / "net.pth")
    load_checkpoint(network, tmp_path / "net.pth")
    picture = seeded_picture(64, 64)
    with torch.inference_mode():
        assert torch.equal(trace(network, picture)(picture), network(picture))


@pytest.mark.parametrize("name", ["yolov5n", "litehrnet18"])
def test_what_gives_no_classes_has_no_pred(name: str) -> None:
    with pytest.raises(UserError, match=rf"{name} has no aux_mode pred: its task is \w+; use eval"):
        build_model(name, CLASSES, "pred")


def test_another_word_is_refused() -> None:
    with pytest.raises(UserError, match=r"unknown aux_mode predict; did you mean pred\?"):
        build_model("pidnet_s", CLASSES, "predict")
