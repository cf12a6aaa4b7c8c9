"""The float network inside a prepared graph."""

from __future__ import annotations

import copy

from torch import fx, nn

from qat.backends.scales import quantisers


def float_view(prepared: fx.GraphModule) -> fx.GraphModule:
    """A copy of a prepared graph, with its layers' names and weights, that neither observes nor rounds."""
    model = copy.deepcopy(prepared)
    for node, _ in list(quantisers(model)):
        setattr(model, str(node.target), nn.Identity())
    return model.eval()
