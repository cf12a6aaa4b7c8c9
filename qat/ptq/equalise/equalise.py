"""Cross-layer equalisation of a prepared graph, proven on an example."""

from __future__ import annotations

import copy

from torch import Tensor, fx

from qat.errors import UserError
from qat.graph.proof import TOLERANCE, Judge
from qat.graph.shapes import propagate
from qat.ptq.equalise.factors import choose_factors
from qat.ptq.equalise.groups import find_groups
from qat.ptq.equalise.ranges import Ranges
from qat.ptq.equalise.report import Report, describe
from qat.ptq.equalise.scale import scale_layers
from qat.ptq.float_view import float_view


def equalise(prepared: fx.GraphModule, example: Tensor, ranges: Ranges) -> Report:
    """Equalise `prepared` (no statistics seen yet) in place; what it computes in float stays the same.

    `example` (N, 3, H, W): pictures to prove that on, beside random ones. `ranges`: `channel_ranges` of a few
    calibration pictures. Raises UserError, and changes nothing, where the outputs would differ.
    """
    graph = copy.deepcopy(prepared)
    propagate(graph, [example])
    groups = find_groups(graph)
    factors = choose_factors(graph, groups, ranges)
    scaled = copy.deepcopy(prepared)
    scale_layers(scaled, groups, factors)
    difference = Judge(float_view(prepared), [example]).difference(float_view(scaled))
    if not difference <= TOLERANCE:
        raise UserError(
            f"equalisation would change the network's outputs by {difference:.2g} of their scale (tolerance "
            f"{TOLERANCE}); set QUANT.EQUALISE False and report it"
        )
    scale_layers(prepared, groups, factors)
    return Report(describe(graph, groups, factors), difference)
