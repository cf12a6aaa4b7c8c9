"""Float, stage calib and int8 side by side, layer by layer, in the memory of single runs."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, fx

from qat.analysis.toggle import Switches, ToggledLayer
from qat.graph.node_runner import NodeRunner
from qat.program.run import ProgramNetwork


@dataclass(frozen=True)
class LayerTensors:
    """One layer's output on one picture.

    `reference`: the form that is compared with. `accumulated`: the other form, as it runs. `isolated`: the other form's
    layer fed the reference's tensors; `unrounded`: the same before its output is rounded.
    """

    name: str
    reference: Tensor
    accumulated: Tensor
    isolated: Tensor
    unrounded: Tensor


def calib_beside_float(on: Switches, off: Switches, x: Tensor) -> Iterator[LayerTensors]:
    """Every layer of stage calib (`on`) against float (`off`: the same graph with everything switched off).

    Isolated: weights and output of the one layer are rounded, its inputs are float's.
    """
    floating, accumulated, isolated = NodeRunner(off.graph, x), NodeRunner(on.graph, x), NodeRunner(on.graph, x)
    for plain, node in zip(off.graph.graph.nodes, on.graph.graph.nodes, strict=True):
        reference, value, alone = floating.step(plain), accumulated.step(node), isolated.step(node)
        if name := on.finals.get(node):
            yield LayerTensors(name, reference, value, alone, _unrounded(on.layers[name], node, isolated, reference))
            isolated.env[node] = reference
        for run, done in ((floating, plain), (accumulated, node), (isolated, node)):
            run.free(done)


def _unrounded(layer: ToggledLayer, node: fx.Node, run: NodeRunner, reference: Tensor) -> Tensor:
    """The layer's output before it is rounded: float's for a layer without weights, since its inputs are float's."""
    if layer.weight is None:
        return reference
    result: Tensor = run.env[node.all_input_nodes[0] if layer.activation else node]
    return result


def int8_beside_calib(
    converted: fx.GraphModule, twins: Mapping[fx.Node, str], calib: Iterator[LayerTensors], x: Tensor
) -> Iterator[LayerTensors]:
    """Every layer of the int8 kernels against stage calib, which `calib` gives; `twins`: of `networks.match_layers`.

    Isolated: the kernel gets calib's tensors as integers. Tensors of integers are compared as the reals they stand for.
    """
    accumulated, isolated = NodeRunner(converted, x), NodeRunner(converted, x)
    waiting: dict[str, Tensor] = {}
    for node in converted.graph.nodes:
        value, alone = accumulated.step(node), isolated.step(node)
        if name := twins.get(node):
            while name not in waiting:
                tensors = next(calib)
                waiting[tensors.name] = tensors.accumulated
            reference = waiting.pop(name)
            yield LayerTensors(name, reference, real(value), real(alone), real(alone))
            isolated.env[node] = as_integers(reference, value)
        accumulated.free(node)
        isolated.free(node)
    for _ in calib:  # the layers that no kernel has; a caller that counts them sees them all
        pass


def program_beside_calib(
    program: ProgramNetwork, layers: Container[str], calib: Iterator[LayerTensors], x: Tensor
) -> Iterator[LayerTensors]:
    """Every one of the `layers` of the program against stage calib, which `calib` gives.

    Isolated: the step gets calib's tensors, on its inputs' grids.
    """
    given: dict[str, Tensor] = {}
    waiting: dict[str, Tensor] = {}
    for (step, value), (_, alone) in zip(program.each(x), program.each(x, given), strict=True):
        given.clear()
        if step.name in layers:
            while step.name not in waiting:
                tensors = next(calib)
                waiting[tensors.name] = tensors.accumulated
            given[step.name] = waiting.pop(step.name)
            yield LayerTensors(step.name, given[step.name], value, alone, alone)
    for _ in calib:  # as in `int8_beside_calib`
        pass


def real(value: Tensor) -> Tensor:
    """The real numbers that a tensor of integers stands for."""
    return value.dequantize() if value.is_quantized else value


def as_integers(value: Tensor, like: Tensor) -> Tensor:
    """`value` on the grid of `like` and as it lies in memory, if that is quantised.

    The layout matters: of a 1x1 picture channels can come first or last, and torch's resampling tells them apart.
    """
    if not like.is_quantized:
        return value
    integers = torch.quantize_per_tensor(value, like.q_scale(), like.q_zero_point(), like.dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns of its own storage class
        return copy.deepcopy(like).copy_(integers)  # unlike clone, it keeps the strides of axes of length 1
