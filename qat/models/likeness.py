"""Which registered network a state dict is of."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import torch
from torch import Tensor

from qat.models.registry import NETWORKS
from qat.models.spec import NetworkSpec

CLASSES = 19  # heads of another number of classes still count as alike
ALIKE = 0.9  # share of tensors whose shapes are the same


def likeliest(state: Mapping[str, Tensor]) -> str:
    """Returns the MODEL.NAME whose predict form has these names and nearly all of these shapes; "" if none has.

    >>> from qat.models import build_model
    >>> likeliest(build_model("yolov5n", 3).state_dict()), likeliest({"weight": torch.zeros(1)})
    ('yolov5n', '')
    """
    shapes = {name: value.shape for name, value in state.items()}
    return next((network.name for network in NETWORKS if _alike(shapes, _shapes(network))), "")


@cache
def _shapes(network: NetworkSpec) -> Mapping[str, torch.Size]:
    with torch.device("meta"):
        return {name: value.shape for name, value in network.build(CLASSES, False).state_dict().items()}


def _alike(shapes: Mapping[str, torch.Size], others: Mapping[str, torch.Size]) -> bool:
    same = sum(shapes[name] == others[name] for name in shapes.keys() & others.keys())
    return shapes.keys() == others.keys() and same >= ALIKE * len(shapes)
