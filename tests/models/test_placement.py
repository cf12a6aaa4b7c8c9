"""A backbone's own file starts the network that holds the backbone."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from qat.models import build_model
from qat.models.bisenet.resnet import ResNet18
from qat.models.checkpoint import load_pretrained
from qat.models.placement import placed
from tests.models.seeded import seed_network


def test_a_file_of_resnet18_starts_bisenetv1(tmp_path: Path) -> None:
    backbone, network = seed_network(ResNet18()), build_model("bisenetv1", 3, "train")
    head = network.get_parameter("conv_out.conv_out.weight").clone()
    torch.save(
        {**backbone.state_dict(), "fc.weight": torch.zeros(1000, 512), "fc.bias": torch.zeros(1000)}, tmp_path / "r.pth"
    )
    load_pretrained(network, str(tmp_path / "r.pth"))
    for name, value in network.get_submodule("cp.resnet").state_dict().items():
        assert torch.equal(value, backbone.state_dict()[name])
    assert torch.equal(network.get_parameter("conv_out.conv_out.weight"), head)


def test_names_that_fit_stay() -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)))
    state = {"0.weight": torch.zeros(2, 2), "0.bias": torch.zeros(2)}
    assert placed(state, network.state_dict()).keys() == state.keys()


def test_a_file_of_parts_starts_bisenetv2(tmp_path: Path) -> None:
    backbone, network = seed_network(build_model("bisenetv2", 3)), build_model("bisenetv2", 3, "train")
    parts = {name: backbone.get_submodule(name).state_dict() for name in ("detail", "segment", "bga")}
    torch.save(parts, tmp_path / "backbone_v2.pth")
    load_pretrained(network, str(tmp_path / "backbone_v2.pth"))
    for part, state in parts.items():
        assert all(torch.equal(value, state[name]) for name, value in network.get_submodule(part).state_dict().items())
