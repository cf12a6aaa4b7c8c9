"""ResNet-18 without its classifier, the context path's backbone; key names equal torchvision's resnet18.

He, Zhang, Ren, Sun: deep residual learning for image recognition, CVPR 2016.
"""

from __future__ import annotations

from torch import Tensor, nn

from qat.models.blocks import BasicBlock, conv, norm


def layer(cin: int, cout: int, stride: int) -> nn.Sequential:
    """Two residual blocks, each with its last ReLU."""
    return nn.Sequential(BasicBlock(cin, cout, stride), BasicBlock(cout, cout))


class ResNet18(nn.Module):
    """(N, 3, H, W) -> maps of 128, 256 and 512 channels at 1/8, 1/16 and 1/32."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv(3, 64, 7, 2), norm(64)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = layer(64, 64, 1)
        self.layer2 = layer(64, 128, 2)
        self.layer3 = layer(128, 256, 2)
        self.layer4 = layer(256, 512, 2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Apply the network."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        eighth = self.layer2(self.layer1(x))
        sixteenth = self.layer3(eighth)
        return eighth, sixteenth, self.layer4(sixteenth)
