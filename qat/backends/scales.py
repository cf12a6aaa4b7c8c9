"""A prepared graph's scales, in each activation's quantiser and beside each weight: open, settled, or in more bits."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, cast

import torch
from torch import fx

from qat.backends.quantiser import ActivationQuantiser
from qat.backends.spec import QuantSpec
from qat.backends.weight_scales import keep_in_float, open_weight, settle_weight, weighted
from qat.errors import UserError, nearest

_SPEC, _SHAPE = "spec", "shape"


def spec_of(prepared: fx.GraphModule) -> QuantSpec:
    """The scheme that a graph was prepared with."""
    return cast(QuantSpec, prepared.meta[_SPEC])


def is_prepared(graph: fx.GraphModule) -> bool:
    """Whether `graph` is backend fx's."""
    return _SPEC in graph.meta


def keep_spec(prepared: fx.GraphModule, spec: QuantSpec) -> None:
    """Note the scheme in the graph's `meta`: a copy of a GraphModule keeps nothing else beside modules and buffers."""
    prepared.meta[_SPEC] = spec


def keep_shape(prepared: fx.GraphModule, shape: tuple[int, ...]) -> None:
    """Note the shape of the pictures (N, C, H, W) that the graph is made for."""
    prepared.meta[_SHAPE] = shape


def shape_of_pictures(prepared: fx.GraphModule) -> tuple[int, ...]:
    """The shape of the pictures (N, C, H, W) that the graph was made for."""
    return cast("tuple[int, ...]", prepared.meta[_SHAPE])


def quantisers(prepared: fx.GraphModule) -> Iterator[tuple[fx.Node, ActivationQuantiser]]:
    """Each activation's quantiser with the graph node that calls it, in graph order (shared ones once per call)."""
    for node in prepared.graph.nodes:
        if node.op == "call_module":
            module = prepared.get_submodule(str(node.target))
            if isinstance(module, ActivationQuantiser):
                yield node, module


def freeze_scales(prepared: fx.GraphModule) -> None:
    """Fix every open scale: activations' from what was observed, weights' by the scheme's weight observer.

    From here on scales, weights and biases are only read, so what changes them now (rounding, bias correction,
    training) reaches every later stage.
    """
    for _, quantiser in quantisers(prepared):
        quantiser.freeze()
    for module in weighted(prepared):
        settle_weight(module, spec_of(prepared).weight_observer)


def keep_bits(prepared: fx.GraphModule, layers: Collection[str], bits: int) -> None:
    """Keep what these layers give in `bits` instead of int8: 16 (int8 weights, as J5 does), 32 (float, weights too).

    `layers`: names of nodes whose output is rounded; `prepared` is settled. Tensors that share a grid with one
    of them (resampling, concatenation) are kept too. UserError for a name that isn't one.
    """
    calls = {node.all_input_nodes[0].name: (node.all_input_nodes[0], module) for node, module in quantisers(prepared)}
    for layer in layers:
        if layer not in calls:
            raise UserError(f"no layer {layer} gives a rounded tensor; {nearest(layer, calls)}")
        node, quantiser = calls[layer]
        quantiser.keep_bits(bits)
        if bits == 32 and node.op == "call_module":
            for module in weighted(prepared.get_submodule(str(node.target))):
                keep_in_float(module)


def kept_bits(prepared: fx.GraphModule) -> dict[str, int]:
    """Each tensor that isn't int8, by its node's name, with its bits."""
    return {node.all_input_nodes[0].name: int(q.bits) for node, q in quantisers(prepared) if q.bits != 8}


def remove_kept_roundings(model: fx.GraphModule) -> None:
    """Remove the roundings of kept tensors; the layers that make and that read them then run in float.

    What has 16 bits keeps their range: a picture may leave what calibration saw, and stage calib cuts there.
    """
    for node, quantiser in list(quantisers(model)):
        if quantiser.bits == 8:
            continue
        kept = node.all_input_nodes[0]
        if quantiser.bits == 16:
            with model.graph.inserting_before(node):
                kept = model.graph.call_function(torch.clamp, (kept, *quantiser.wide_range))
        node.replace_all_uses_with(kept)
        model.graph.erase_node(node)
    model.recompile()


def reset_scales(prepared: fx.GraphModule) -> None:
    """Forget the scales and what was kept in more bits, not the statistics."""
    for _, quantiser in quantisers(prepared):
        quantiser.settled.fill_(False)
        quantiser.bits.fill_(8)
    for module in weighted(prepared):
        open_weight(module)


def dead_observers(prepared: fx.GraphModule) -> list[tuple[str, str]]:
    """(node, why) for each observer that learnt nothing: never seen, or only zeros."""
    live: dict[ActivationQuantiser, str] = {}  # one that several nodes share under the first
    for node, quantiser in quantisers(prepared):
        if quantiser.observes:
            live.setdefault(quantiser, node.all_input_nodes[0].name)
    return [(name, why) for quantiser, name in live.items() if (why := quantiser.observer.dead)]


def qparams(prepared: fx.GraphModule) -> dict[str, dict[str, Any]]:
    """Each quantised node's scale, zero point, real range, levels, what was seen, dtype, and by what it was chosen."""
    rows: dict[str, dict[str, Any]] = {}
    for node, quantiser in quantisers(prepared):
        quantiser.freeze()
        scale, zero_point, bits = float(quantiser.scale), int(quantiser.zero_point), int(quantiser.bits)
        rows[node.all_input_nodes[0].name] = {
            "scale": scale,
            "zero_point": zero_point,
            "range": [scale * (quantiser.quant_min - zero_point), scale * (quantiser.quant_max - zero_point)],
            "levels": [quantiser.quant_min, quantiser.quant_max],
            "seen": quantiser.observer.extremes.tolist(),
            "dtype": {8: "quint8", 16: "int16", 32: "float32"}[bits],
            "observer": "fixed" if quantiser.fixed else quantiser.observer.choice.label,
            "averaging": None if quantiser.fixed else quantiser.observer.choice.averaging,
        }
    return rows
