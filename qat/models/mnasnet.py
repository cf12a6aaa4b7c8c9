"""MNASNet with depth multiplier 0.5, a classifier.

Tan, Chen, Pang, Vasudevan, Sandler, Howard, Le: MnasNet, platform-aware neural architecture search for mobile, CVPR
2019; variant B1. Attribute names, shapes and the batch normalisation's momentum equal torchvision's mnasnet0_5.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from qat.models.spec import NetworkSpec

MOMENTUM = 1 - 0.9997
WIDTH = 1280  # of what is classified
DROPOUT = 0.2


@dataclass(frozen=True)
class Stack:
    """Inverted residual blocks in a row; the first has the stride, and no shortcut."""

    channels: int
    kernel: int
    stride: int
    expansion: int
    blocks: int


STEM = (16, 8)  # channels of the first convolution and of the separable one: 32 and 16, halved
STACKS = (  # channels: 24, 40, 80, 96, 192, 320, halved and rounded to multiples of 8
    Stack(16, kernel=3, stride=2, expansion=3, blocks=3),
    Stack(24, kernel=5, stride=2, expansion=3, blocks=3),
    Stack(40, kernel=5, stride=2, expansion=6, blocks=3),
    Stack(48, kernel=3, stride=1, expansion=6, blocks=2),
    Stack(96, kernel=5, stride=2, expansion=6, blocks=4),
    Stack(160, kernel=3, stride=1, expansion=6, blocks=1),
)


def conv_norm(cin: int, cout: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> tuple[nn.Module, nn.Module]:
    """A convolution without bias, and its batch normalisation."""
    layer = nn.Conv2d(cin, cout, kernel, stride, kernel // 2, groups=groups, bias=False)
    return layer, nn.BatchNorm2d(cout, momentum=MOMENTUM)


class InvertedResidual(nn.Module):
    """1x1 wider, depthwise, 1x1 narrower: (N, cin, H, W) -> (N, cout, H / stride, W / stride)."""

    def __init__(self, cin: int, cout: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = cin * expansion
        widen = (*conv_norm(cin, wide), nn.ReLU())
        depthwise = (*conv_norm(wide, wide, kernel, stride, wide), nn.ReLU())
        self.layers = nn.Sequential(*widen, *depthwise, *conv_norm(wide, cout))
        self.has_shortcut = cin == cout and stride == 1

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block."""
        result: Tensor = self.layers(x)
        return result + x if self.has_shortcut else result


def build_stack(cin: int, stack: Stack) -> nn.Sequential:
    """The blocks of a row."""
    strides = (stack.stride, *[1] * (stack.blocks - 1))
    channels = (cin, *[stack.channels] * (stack.blocks - 1))
    return nn.Sequential(
        *(
            InvertedResidual(width, stack.channels, stack.kernel, stride, stack.expansion)
            for width, stride in zip(channels, strides, strict=True)
        )
    )


class MNASNet(nn.Module):
    """(N, 3, H, W) -> logits (N, classes)."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        first, separable = STEM
        layers = [*conv_norm(3, first, 3, 2), nn.ReLU(), *conv_norm(first, first, 3, groups=first), nn.ReLU()]
        layers += conv_norm(first, separable)
        channels = (separable, *(stack.channels for stack in STACKS))
        layers += [build_stack(cin, stack) for cin, stack in zip(channels, STACKS, strict=False)]
        layers += [*conv_norm(channels[-1], WIDTH), nn.ReLU()]
        self.layers = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Dropout(DROPOUT), nn.Linear(WIDTH, classes))
        self.apply(_initialise)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the network."""
        logits: Tensor = self.classifier(self.layers(x).mean([2, 3]))
        return logits


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    elif isinstance(module, nn.Linear):
        nn.init.kaiming_uniform_(module.weight, mode="fan_out", nonlinearity="sigmoid")
        nn.init.zeros_(module.bias)


NETWORKS = (
    NetworkSpec(
        name="mnasnet0_5",
        build=lambda classes, _: MNASNet(classes),
        task="classification",
        stride=32,
        smallest_side=32,
        loss="classification",
    ),
)
