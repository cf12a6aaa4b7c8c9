"""Key names and shapes of the official network's checkpoints, and the outputs' sizes."""

from __future__ import annotations

import copy
from functools import cache

import pytest
import torch
from torch import nn

from qat.errors import UserError
from qat.models import build_model

ENTRIES = {
    ("pidnet_s", True): 479,
    ("pidnet_s", False): 453,
    ("pidnet_m", True): 479,
    ("pidnet_m", False): 453,
    ("pidnet_l", True): 545,
    ("pidnet_l", False): 519,
}
SHAPES = {
    "pidnet_s": {
        "conv1.0.weight": (32, 3, 3, 3),
        "conv1.3.bias": (32,),
        "layer2.0.downsample.1.running_var": (64,),
        "layer5.1.bn3.num_batches_tracked": (),
        "compression4.0.weight": (64, 256, 1, 1),
        "pag3.f_x.0.weight": (32, 64, 1, 1),
        "layer3_d.downsample.0.weight": (32, 64, 1, 1),
        "layer4_d.0.conv3.weight": (64, 32, 1, 1),
        "diff3.0.weight": (32, 128, 3, 3),
        "spp.scale4.1.weight": (512,),
        "spp.scale_process.2.weight": (384, 96, 3, 3),
        "dfm.conv_p.0.weight": (128, 128, 1, 1),
        "final_layer.conv2.weight": (19, 128, 1, 1),
        "final_layer.conv2.bias": (19,),
        "seghead_p.conv2.weight": (19, 128, 1, 1),
        "seghead_d.conv2.weight": (1, 32, 1, 1),
    },
    "pidnet_m": {
        "conv1.0.weight": (64, 3, 3, 3),
        "layer3.2.conv2.weight": (256, 256, 3, 3),
        "spp.scale_process.2.weight": (384, 96, 3, 3),
        "dfm.conv_i.1.bias": (256,),
        "seghead_d.conv1.weight": (64, 128, 3, 3),
    },
    "pidnet_l": {
        "layer1.2.conv1.weight": (64, 64, 3, 3),
        "layer4.3.bn2.weight": (512,),
        "layer4_d.conv1.weight": (128, 128, 3, 3),
        "spp.process4.2.weight": (112, 112, 3, 3),
        "spp.scale0.2.weight": (112, 1024, 1, 1),
        "dfm.conv.2.weight": (256, 256, 3, 3),
        "final_layer.conv1.weight": (256, 256, 3, 3),
    },
}


@cache
def network(name: str, aux: bool) -> nn.Module:
    with torch.device("meta"):  # shapes only
        return build_model(name, 19, "train" if aux else "eval").eval()


@pytest.mark.parametrize(("name", "aux"), ENTRIES)
def test_number_of_entries(name: str, aux: bool) -> None:
    assert len(network(name, aux).state_dict()) == ENTRIES[name, aux]


@pytest.mark.parametrize("name", SHAPES)
def test_key_names_and_shapes(name: str) -> None:
    state = network(name, True).state_dict()
    assert {key: tuple(state[key].shape) for key in SHAPES[name]} == SHAPES[name]


@pytest.mark.parametrize("name", SHAPES)
def test_the_predict_form_lacks_the_auxiliary_heads_only(name: str) -> None:
    train, predict = (network(name, aux).state_dict().keys() for aux in (True, False))
    assert predict < train
    assert {key.split(".")[0] for key in train - predict} == {"seghead_p", "seghead_d"}


@pytest.mark.parametrize(("height", "width"), [(136, 200), (64, 128), (360, 480)])
def test_logits_are_an_eighth_of_the_picture(height: int, width: int) -> None:
    with torch.inference_mode():
        logits = network("pidnet_s", False)(torch.zeros(1, 3, height, width, device="meta"))
    assert logits.shape == (1, 19, height // 8, width // 8)


@pytest.mark.parametrize("name", SHAPES)
def test_the_train_form_gives_detail_main_and_boundary_logits(name: str) -> None:
    with torch.inference_mode():
        outputs = network(name, True)(torch.zeros(2, 3, 72, 104, device="meta"))
    assert [tuple(x.shape) for x in outputs] == [(2, 19, 9, 13), (2, 19, 9, 13), (2, 1, 9, 13)]


def test_both_forms_give_the_same_main_logits() -> None:
    train, predict = build_model("pidnet_s", 19, aux_mode="train").eval(), copy.deepcopy(network("pidnet_s", False))
    predict.load_state_dict(train.state_dict(), strict=False, assign=True)
    x = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        torch.testing.assert_close(predict(x), train(x)[1], rtol=0, atol=0)


@pytest.mark.parametrize(("official", "ours"), [("pidnet_small", "pidnet_s"), ("pidnet_large", "pidnet_l")])
def test_official_names(official: str, ours: str) -> None:
    shapes = [{key: x.shape for key, x in network(name, False).state_dict().items()} for name in (official, ours)]
    assert shapes[0] == shapes[1]


def test_an_unknown_name_is_named_with_the_nearest() -> None:
    with pytest.raises(UserError, match=r"unknown network MODEL\.NAME pidnet_x; did you mean pidnet_"):
        build_model("pidnet_x", 19)
