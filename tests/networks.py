"""Small networks of the tests: what calibrates, trains and compiles in a moment."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

from qat.models import NetworkSpec, registry

CLASSES = 3
SHAPE = (1, 3, 9, 12)  # of the pictures of `Fn`
BLOCK = (1, 3, 16, 24)  # and of `Block`


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


class Blocks(nn.Module):
    """Logits at 1/8: how much there is of each colour, some more than others, so that no edge is a tie."""

    def __init__(self) -> None:
        super().__init__()
        self.shrink = nn.Conv2d(3, 3, 8, stride=8, bias=False)
        self.act = nn.ReLU()
        self.tail = nn.Conv2d(3, 3, 1)
        nn.init.zeros_(self.shrink.weight)
        with torch.no_grad():
            for channel in range(3):
                self.shrink.weight[channel, channel] = 1 / 64
            self.tail.weight.copy_(torch.diag(torch.tensor([4.0, 5.1, 6.3])).view(3, 3, 1, 1))
            self.tail.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        return self.tail(self.act(self.shrink(x)))


class Fn(nn.Module):
    """A convolution to 4 channels, `function(module, tensor)`, and a tail where four axes come out."""

    def __init__(self, function: Callable[..., Any], **modules: nn.Module) -> None:
        super().__init__()
        self.function = function
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        for name, module in modules.items():
            self.add_module(name, module)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.function(self, self.first(x))
        return self.tail(y) if hasattr(self, "tail") else y


class Block(nn.Module):
    """What PIDNet is made of, small: pictures (N, 3, 16, 24) in, logits (N, 3, 8, 12) out."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 6, 3, 2, 1, bias=False), nn.BatchNorm2d(6), nn.ReLU())
        self.conv = nn.Conv2d(6, 6, 3, padding=1)
        self.gate = nn.Conv2d(6, 6, 1)
        self.norm = nn.BatchNorm2d(12)
        self.deep = nn.Conv2d(12, 5, 3, padding=1, bias=False)
        self.tail = nn.Conv2d(5, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        y = F.relu(self.conv(x) + x)
        small = F.avg_pool2d(y, 5, 2, 2)
        gate = torch.sigmoid(self.gate(F.interpolate(small, (8, 12), mode="bilinear", align_corners=False)))
        both = torch.cat([(1 - gate) * x, F.relu(gate * self.conv(y))], 1)
        return self.tail(F.relu(self.deep(F.relu(self.norm(both)))))


def shuffle_norms(model: nn.Module) -> nn.Module:
    """Statistics and gains that batch normalisations have after training; some gains are negative."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d) and module.affine:
            nn.init.uniform_(module.weight, -1.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
        if isinstance(module, nn.BatchNorm2d) and module.running_mean is not None:
            nn.init.uniform_(module.running_mean, -0.5, 0.5)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
    return model


def pictures(shape: tuple[int, ...] = SHAPE, count: int = 3, seed: int = 1) -> list[Tensor]:
    """Normal noise, seeded."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator) for _ in range(count)]
