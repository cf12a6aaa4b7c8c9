"""The ends of the TorchScript files, and pictures as the artefacts take them."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, one_hot

from qat.compile.onnx.io_spec import IOSpec
from qat.evaluation.outputs import Outputs


class IOWrapper(nn.Module):
    """`network` between the ends: raw uint8 or normalised pictures (N, 3, H, W) in; logits or classes out."""

    gain: Tensor
    shift: Tensor

    def __init__(self, network: nn.Module, io: IOSpec) -> None:
        super().__init__()
        self.network = network
        self.io = io
        self.register_buffer("gain", torch.from_numpy(io.gain))
        self.register_buffer("shift", torch.from_numpy(io.shift))

    def forward(self, image: Tensor) -> Outputs:
        """What the artefact gives for `image`."""
        if self.io.source == "uint8":
            image = image.float() * self.gain + self.shift
        return head(self.network(image), (image.shape[-2], image.shape[-1]), self.io)


def head(logits: Outputs, size: tuple[int, int], io: IOSpec) -> Outputs:
    """The output that `io` names, of logits (N, C, h, w) and the picture's height and width; other outputs as is."""
    if io.result == "logits":
        return tuple(logits) if isinstance(logits, list) else logits  # a trace gives no lists
    assert isinstance(logits, Tensor)
    full = interpolate(logits, size, mode="bilinear", align_corners=io.align_corners)
    return full if io.result == "upsampled" else full.argmax(1)


def as_logits(output: Tensor, classes: int) -> Tensor:
    """An artefact's output as logits (N, classes, ...): of classes (N, H, W), 1 for the chosen one and 0 elsewhere."""
    if output.ndim != 3:
        return output
    return one_hot(output.long(), classes).movedim(-1, 1).float()
