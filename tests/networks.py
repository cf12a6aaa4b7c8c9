"""Small networks of the tests: what calibrates, trains and compiles in a moment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from qat.models import NetworkSpec, registry

CLASSES = 3


class TinyNet(nn.Module):
    """Logits (N, classes, H / 2, W / 2); as a train form the outputs that PIDNet's has."""

    def __init__(self, num_classes: int = CLASSES, aux: bool = True) -> None:
        super().__init__()
        self.aux = aux
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8), nn.ReLU())
        if aux:
            self.seghead_p = nn.Conv2d(8, num_classes, 1)
        self.final_layer = nn.Conv2d(8, num_classes, 1)
        if aux:
            self.seghead_d = nn.Conv2d(8, 1, 1)

    def forward(self, x: Tensor) -> Tensor | list[Tensor]:
        x = self.body(x)
        logits = self.final_layer(x)
        return [self.seghead_p(x), logits, self.seghead_d(x)] if self.aux else logits


TINY = NetworkSpec(
    name="tiny",
    build=TinyNet,
    stride=2,
    smallest_side=2,
    outputs=("detail", "logits", "boundary"),
    auxiliary=("seghead_p.", "seghead_d."),
    loss="pidnet",
)


@contextmanager
def registered(*specs: NetworkSpec) -> Iterator[None]:
    """MODEL.NAME can name these networks too, in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "NETWORKS", (*registry.NETWORKS, *specs))
        yield


def tiny_net(seed: int = 0) -> TinyNet:
    """The train form with seeded weights."""
    torch.manual_seed(seed)
    return TinyNet()


def learnt_net() -> TinyNet:
    """The predict form that knows red, green and blue pixels: each channel passes its own colour."""
    torch.manual_seed(0)
    network = TinyNet(aux=False)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        for channel in range(CLASSES):
            network.body[0].weight[channel, channel, 1, 1] = 2.0
            network.final_layer.weight[channel, channel] = 4.0
        network.body[1].weight.fill_(1.0)
        network.body[1].bias.fill_(1.0)
    return network.eval()


def tiny_weights(path: Path, num_classes: int) -> Path:
    """A checkpoint of the predict form, from seeded weights."""
    torch.manual_seed(0)
    save_file(TinyNet(num_classes, aux=False).state_dict(), path)
    return path
