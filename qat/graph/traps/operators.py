"""Traps of ends, norms, state, activations and operator sets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.fx import Node

from qat.graph.nodes import op_name
from qat.graph.source import source_of
from qat.graph.traps.file import FileView, attribute, place_of
from qat.graph.traps.network import NetworkView
from qat.graph.traps.trap import Sighting, Trap

BEFORE = ("sub", "div", "mul", "add", "permute", "transpose")
BEHIND = ("argmax", "softmax", "log_softmax", "topk", "interpolate", "sort")
BEFORE_IN_FILE = ("Sub", "Div", "Mul", "Add", "Transpose")
BEHIND_IN_FILE = ("ArgMax", "Softmax", "LogSoftmax", "TopK", "NonMaxSuppression", "Resize", "Upsample")
PASSING = ("Identity", "Cast", "Squeeze")
ARITHMETIC = ("Add", "Sub", "Mul", "Div", "Pow")


def _ends(view: NetworkView) -> Iterator[Sighting]:
    for node in view.nodes("input"):
        for user in node.users:
            if op_name(user) in BEFORE and _alone(user):
                yield source_of(user), f"{op_name(user)} on the picture"
    for node in view.nodes("output"):
        for source in node.all_input_nodes:
            if op_name(source) in BEHIND:
                yield source_of(source), f"{op_name(source)} gives an output"


def _alone(node: Node) -> bool:
    """Whether `node` works on one tensor, beside constants."""
    return sum(op_name(one) != "constant" for one in node.all_input_nodes) == 1


def _ends_in_file(view: FileView) -> Iterator[Sighting]:
    for node in view.nodes(*BEFORE_IN_FILE):
        others = [name for name in node.input if name not in view.constants]
        if len(others) == 1 and _source(view, others[0]) in view.inputs:
            yield place_of(node), "works on the picture before the first layer"
    for name in view.outputs:
        last = _source(view, name)
        if view.maker(last) in BEHIND_IN_FILE:
            yield place_of(view.makers[last]), f"gives the output {name}"


def _source(view: FileView, name: str) -> str:
    """What a value is, behind copies, casts and squeezes of it."""
    for _ in view.all_nodes:  # a damaged file may go in circles
        if view.maker(name) not in PASSING:
            break
        name = view.makers[name].input[0]
    return name


PROCESSING_INSIDE = Trap(
    "processing_inside",
    "who runs the file may normalise or decode again; boards compute these parts on the CPU, or in int8",
    "know it: say so where the file is used, or leave it outside (COMPILE.INPUT float, COMPILE.OUTPUT logits)",
    _ends,
    _ends_in_file,
)


def _synced(view: NetworkView) -> Iterator[Sighting]:
    for name, module in view.module.named_modules():
        if isinstance(module, nn.SyncBatchNorm):
            yield name, "SyncBatchNorm"


def _synced_in_file(view: FileView) -> Iterator[Sighting]:
    for node in view.nodes("BatchNormalization"):
        if attribute(node, "training_mode", 0) or sum(map(bool, node.output)) > 1:
            yield place_of(node), "it takes each batch's own mean and variance"


SYNCED_NORM = Trap(
    "synced_norm",
    "SyncBatchNorm needs processes and CUDA; a norm left in training mode depends on the batch",
    "model.eval() and nn.BatchNorm2d (rule synced_norm gives it) before the export",
    _synced,
    _synced_in_file,
)


def _plain(view: NetworkView) -> Iterator[Sighting]:
    for name, module in view.module.named_modules():
        for key, value in vars(module).items():
            if not key.startswith("_") and _holds_tensor(value):
                yield ".".join(part for part in (name, key) if part), "a tensor that is no parameter and no buffer"


def _holds_tensor(value: Any) -> bool:
    held = value if isinstance(value, list | tuple) else (value,)
    return any(isinstance(one, torch.Tensor) or (isinstance(one, np.ndarray) and one.size > 1) for one in held)


def _plain_in_file(view: FileView) -> Iterator[Sighting]:
    for node in view.nodes(*ARITHMETIC):
        for name in node.input:
            shape = view.constants[name].shape if name in view.constants else ()
            if sum(side > 1 for side in shape[2:4]) == 2:
                yield place_of(node), f"a constant {shape} of one picture size"


PLAIN_TENSORS = Trap(
    "plain_tensors",
    "anchors and grids as attributes aren't in the state dict, stay on their device, and fix the picture's size",
    "register_buffer; grids and anchors outside the network (YOLOv5's decode)",
    _plain,
    _plain_in_file,
)

SINCE = {"silu": 24, "hardswish": 14, "mish": 18, "gelu": 20}
"""The operator set that first has an operator for it: Swish, HardSwish, Mish, Gelu (onnx/docs/Operators.md)."""


def _activations(view: NetworkView) -> Iterator[Sighting]:
    for node in view.nodes(*SINCE):
        since = SINCE[op_name(node)]
        if view.opset < since:
            yield source_of(node), f"{op_name(node)}: ONNX has it from operator set {since} on, this is {view.opset}"


GATES = {"Sigmoid": "SiLU", "HardSigmoid": "hardswish", "Tanh": "Mish"}


def _activations_in_file(view: FileView) -> Iterator[Sighting]:
    for node in view.nodes("Mul"):
        for gate, other in (node.input, [*reversed(node.input)]):
            name = GATES.get(view.maker(gate), "")
            if name and _root(view, gate) == other:
                yield place_of(node), f"{name} in pieces"


def _root(view: FileView, gate: str) -> str:
    """What a gate reads; Mish has a Softplus before its Tanh."""
    read = str(view.makers[gate].input[0])
    return str(view.makers[read].input[0]) if view.maker(read) == "Softplus" else read


ACTIVATION = Trap(
    "activation",
    "it is written as several operators; a board runs each by itself, and int8 rounds between them",
    "none where the runtime joins them; else ReLU, or an operator set that has it, and train on",
    _activations,
    _activations_in_file,
)


def _newer(opset: int, newest: int | None) -> Iterator[Sighting]:
    if newest is not None and opset > newest:
        yield "", f"operator set {opset}, and the consumer reads {newest} at most"


OPSET = Trap(
    "opset",
    "the consumer refuses the file, or misreads operators that changed",
    "write it lower: rtseg-qat export --opset N; converting a file down fails in practice",
    lambda view: _newer(view.opset, view.newest),
    lambda view: _newer(view.opset, view.newest),
    severity="error",
)
