"""Which layers it would help most to round less."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, fx

from qat.analysis.sensitivity import forks
from qat.analysis.toggle import Switches


@torch.no_grad()
def most_sensitive(prepared: fx.GraphModule, plain: fx.GraphModule, images: Iterable[Tensor]) -> list[str]:
    """The layers whose outputs are rounded, first the one that in float alone leaves the least error of the logits.

    `prepared`: a settled graph; `plain`: the same in float (`qat.ptq.float_view`, taken before weights were changed).
    `images`: each (1, 3, H, W), normalised.
    """
    switches = Switches(prepared, plain)
    names = [name for name, layer in switches.layers.items() if layer.activation]
    noise = dict.fromkeys(names, 0.0)
    for image in images:
        reference = plain(image)
        for name, logits in forks(switches, image, names, False):
            noise[name] += float((logits - reference).square().sum(dtype=torch.float64))
    return sorted(names, key=lambda name: noise[name])
