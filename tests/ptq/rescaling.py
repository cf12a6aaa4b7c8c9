"""A float network with the same function and bad scales: what equalisation has to undo.

A channel that a batch normalisation makes and convolutions read (directly, or through a ReLU) is multiplied by a
factor in the gain and shift, and divided by it in the convolutions' weights. This knows PIDNet's modules by name and
shares no code with equalisation.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator

import torch
from torch import nn

from qat.models.blocks import BasicBlock, Bottleneck, SegmentHead

Stream = tuple[
    tuple[str, ...], tuple[str, ...]
]  # names of batch normalisations, and of the convolutions that read them
INSIDE = {
    BasicBlock: [("bn1", "conv2")],
    Bottleneck: [("bn1", "conv2"), ("bn2", "conv3")],
    SegmentHead: [("bn1", "conv1"), ("bn2", "conv2")],
}
# Sums of PIDNet-S: what is added shares its factors.
RESIDUAL: tuple[Stream, ...] = (
    (
        ("conv1.4", "layer1.0.bn2", "layer1.1.bn2"),
        ("layer1.0.conv1", "layer1.1.conv1", "layer2.0.conv1", "layer2.0.downsample.0"),
    ),
    (
        ("layer3.0.bn2", "layer3.0.downsample.1", "layer3.1.bn2", "layer3.2.bn2"),
        ("layer3.1.conv1", "layer3.2.conv1", "layer4.0.conv1", "layer4.0.downsample.0", "compression3.0", "diff3.0"),
    ),
    (
        ("layer4.0.bn2", "layer4.0.downsample.1", "layer4.1.bn2", "layer4.2.bn2"),
        ("layer4.1.conv1", "layer4.2.conv1", "layer5.0.conv1", "layer5.0.downsample.0", "compression4.0", "diff4.0"),
    ),
    (
        (
            *("layer2.0.bn2", "layer2.0.downsample.1", "layer2.1.bn2", "layer3_.0.bn2", "layer3_.1.bn2"),
            *("layer4_.0.bn2", "layer4_.1.bn2", "compression3.1", "compression4.1"),
        ),
        (
            *("layer2.1.conv1", "layer3.0.conv1", "layer3.0.downsample.0", "layer3_d.conv1", "layer3_d.downsample.0"),
            *("layer3_.0.conv1", "layer3_.1.conv1", "layer4_.0.conv1", "layer4_.1.conv1", "pag3.f_x.0", "pag3.f_y.0"),
            *("pag4.f_x.0", "pag4.f_y.0", "layer5_.0.conv1", "layer5_.0.downsample.0"),
        ),
    ),
)


def rescale(model: nn.Module, seed: int, power: float = 6.0, residual: tuple[Stream, ...] = ()) -> nn.Module:
    """A copy of `model` in which about half of all such channels are scaled by up to 2**power or down to 2**-power.

    Inside every block, and in the `residual` streams named.
    """
    scaled, generator = copy.deepcopy(model), torch.Generator().manual_seed(seed)
    for makers, readers in (*inside(scaled), *residual):
        channels = len(scaled.get_submodule(makers[0]).weight)
        exponents = (torch.rand(channels, generator=generator) * 2 - 1) * power
        chosen = torch.rand(channels, generator=generator) < 0.5
        factors = torch.where(chosen, exponents, 0.0).exp2()
        for name in makers:
            _multiply(scaled.get_submodule(name), factors)
        for name in readers:
            _divide(scaled.get_submodule(name), factors)
    return scaled


def inside(model: nn.Module) -> Iterator[Stream]:
    """Each batch normalisation that one convolution reads: in blocks, and in a row of BN, ReLU and convolution."""
    for name, module in model.named_modules():
        prefix = f"{name}." if name else ""
        pairs = list(INSIDE.get(type(module), []))
        if isinstance(module, nn.Sequential):
            pairs += [(str(i), str(i + 2)) for i in range(len(module) - 2) if _is_row(module[i : i + 3])]
        yield from (((prefix + maker,), (prefix + reader,)) for maker, reader in pairs)


def _is_row(row: nn.Sequential) -> bool:
    kinds = (nn.BatchNorm2d, nn.ReLU, nn.Conv2d)
    return all(isinstance(module, kind) for module, kind in zip(row, kinds, strict=True))


@torch.no_grad()
def _multiply(norm: nn.Module, factors: torch.Tensor) -> None:
    norm.weight *= factors
    norm.bias *= factors


@torch.no_grad()
def _divide(conv: nn.Module, factors: torch.Tensor) -> None:
    rows = conv.weight.shape[0] // conv.groups
    columns = factors.view(conv.groups, 1, -1).expand(-1, rows, -1).flatten(0, 1)
    conv.weight /= columns[:, :, None, None]
