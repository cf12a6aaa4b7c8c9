"""What both versions are made of."""

from __future__ import annotations

from torch import Tensor, nn

from qat.models.blocks import conv, norm

CITYSCAPES_MEAN = (0.3257, 0.3690, 0.3223)  # lib/data/cityscapes_cv2.py: what the published weights expect
CITYSCAPES_STD = (0.2112, 0.2148, 0.2115)


class ConvBNReLU(nn.Module):
    """Convolution, batch normalisation, ReLU: (N, cin, H, W) -> (N, cout, H / stride, W / stride)."""

    def __init__(self, cin: int, cout: int, kernel: int = 3, stride: int = 1) -> None:
        super().__init__()
        self.conv = conv(cin, cout, kernel, stride)
        self.bn = norm(cout)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Apply the three."""
        result: Tensor = self.relu(self.bn(self.conv(x)))
        return result


def mean_of_picture(x: Tensor) -> Tensor:
    """(N, C, H, W) -> (N, C, 1, 1)."""
    return x.mean((2, 3), keepdim=True)
