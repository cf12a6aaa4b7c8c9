"""DDRNet-23-slim: a context branch and a detail branch that exchange features twice, joined after a pooling pyramid.

Hong, Pan, Sun, Jia: deep dual-resolution networks for real-time and accurate semantic segmentation of road scenes,
2021. Attribute names and shapes equal those of github.com/ydhongHIT/DDRNet, segmentation/DDRNet_23_slim.py; the train
form's outputs come in the order of github.com/chenjun2hao/DDRNet.pytorch.
"""

from __future__ import annotations

from torch import Tensor, nn

from qat.models.blocks import DAPPM, BasicBlock, Bottleneck, SegmentHead, conv_norm, norm, resize, stack
from qat.models.spec import Branch, NetworkSpec

PLANES = 32
PYRAMID_PLANES = 128
HEAD_PLANES = 64


class DDRNet(nn.Module):
    """(N, 3, H, W) -> logits (N, classes, H / 8, W / 8); the train form (`aux`) gives those of the detail branch first.

    Height and width are multiples of 8.
    """

    def __init__(self, classes: int, aux: bool) -> None:
        super().__init__()
        self.aux = aux
        planes, wide = PLANES, 2 * PLANES
        self.conv1 = nn.Sequential(*_stem(3, planes), *_stem(planes, planes))
        self.relu = nn.ReLU()
        self.layer1 = stack(BasicBlock, planes, planes, 2)
        self.layer2 = stack(BasicBlock, planes, wide, 2, 2)
        self.layer3 = stack(BasicBlock, wide, 2 * wide, 2, 2)
        self.layer4 = stack(BasicBlock, 2 * wide, 4 * wide, 2, 2)
        self.compression3 = conv_norm(2 * wide, wide)
        self.compression4 = conv_norm(4 * wide, wide)
        self.down3 = conv_norm(wide, 2 * wide, 3, 2)
        self.down4 = nn.Sequential(*conv_norm(wide, 2 * wide, 3, 2), nn.ReLU(), *conv_norm(2 * wide, 4 * wide, 3, 2))
        self.layer3_ = stack(BasicBlock, wide, wide, 2)
        self.layer4_ = stack(BasicBlock, wide, wide, 2)
        self.layer5_ = stack(Bottleneck, wide, wide, 1)
        self.layer5 = stack(Bottleneck, 4 * wide, 4 * wide, 1, 2)
        self.spp = DAPPM(8 * wide, PYRAMID_PLANES, 2 * wide)
        if aux:
            self.seghead_extra = SegmentHead(wide, HEAD_PLANES, classes)
        self.final_layer = SegmentHead(2 * wide, HEAD_PLANES, classes)
        self.apply(_initialise)

    def forward(self, x: Tensor) -> Tensor | list[Tensor]:
        """Run the two branches side by side; each feeds the other twice."""
        size = x.shape[-2] // 8, x.shape[-1] // 8
        eighth = self.layer2(self.relu(self.layer1(self.conv1(x))))
        context = self.layer3(self.relu(eighth))
        detail = self.layer3_(self.relu(eighth))
        context, detail = self._exchange(context, detail, self.down3, self.compression3, size)
        extra = detail

        context = self.layer4(self.relu(context))
        detail = self.layer4_(self.relu(detail))
        context, detail = self._exchange(context, detail, self.down4, self.compression4, size)

        detail = self.layer5_(self.relu(detail))
        context = resize(self.spp(self.layer5(self.relu(context))), *size)
        logits: Tensor = self.final_layer(context + detail)
        return [self.seghead_extra(extra), logits] if self.aux else logits

    def _exchange(
        self, context: Tensor, detail: Tensor, down: nn.Module, compression: nn.Module, size: tuple[int, int]
    ) -> tuple[Tensor, Tensor]:
        """Each branch takes the other's features, as both were."""
        up = resize(compression(self.relu(context)), *size)
        return context + down(self.relu(detail)), detail + up


def _stem(cin: int, cout: int) -> tuple[nn.Module, ...]:
    """A convolution with a bias, its norm and ReLU."""
    return nn.Conv2d(cin, cout, 3, 2, 1), norm(cout), nn.ReLU()


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


BRANCHES = (
    Branch("Detail", "high resolution", ("compression3", "compression4", "layer3_", "layer4_", "layer5_")),
    Branch(
        "Context",
        "low resolution",
        ("conv1", "layer1", "layer2", "layer3", "layer4", "down3", "down4", "layer5", "spp"),
    ),
    Branch("Head", "logits", ("final_layer",), joins=True),
)

NETWORKS = (
    NetworkSpec(
        name="ddrnet23_slim",
        build=DDRNet,
        stride=8,
        smallest_side=64,
        outputs=("detail", "logits"),
        auxiliary=("seghead_extra.",),
        loss="cross_entropy",
        head_weights=(0.4, 1.0),
        branches=BRANCHES,
    ),
)
