"""Where in a network a backbone's own checkpoint belongs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from torch import Tensor


def placed(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Returns a checkpoint's tensors under the names that most of them have in the network.

    A file of torchvision's resnet18 has `layer1.0.conv1.weight`, which BiSeNetV1 knows as
    `cp.resnet.layer1.0.conv1.weight`. Where the names fit as they are, they stay.

    >>> import torch
    >>> list(placed({"a.weight": torch.zeros(2)}, {"body.a.weight": torch.zeros(2), "head.weight": torch.zeros(1)}))
    ['body.a.weight']
    """
    shapes = {name: value.shape for name, value in wanted.items()}
    fits = Counter({"": sum(shapes.get(name) == value.shape for name, value in state.items())})
    for prefix in {prefix for name in wanted for prefix in _prefixes(name)}:
        fits[prefix] = sum(shapes.get(prefix + name) == value.shape for name, value in state.items())
    best = max(fits, key=lambda prefix: (fits[prefix], not prefix))
    return {best + name: value for name, value in state.items()}


def _prefixes(name: str) -> list[str]:
    parts = name.split(".")[:-1]
    return [".".join(parts[: count + 1]) + "." for count in range(len(parts))]
