"""Distillation: the int8 network learns from the float one what the labels don't say, pixel by pixel.

Hinton et al. 2015, "Distilling the knowledge in a neural network", arXiv:1503.02531, at temperature 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, fx

from qat.backends.trainable import trainable
from qat.evaluation.distance import divergence
from qat.graph.nodes import op_name
from qat.models import branches_of

Outputs = Sequence[Tensor]  # logits (N, C, h, w) and, where the network has one, the boundary attention (N, K, h, w)


@dataclass(frozen=True)
class TeacherStudent:
    """The two networks of a fine-tuning, and `prepared`, the calibrated graph for the deployed size, for the result.

    `student` and `teacher` take crops (N, 3, H, W) and give [logits] or [logits, boundary attention].
    """

    prepared: fx.GraphModule
    student: fx.GraphModule
    teacher: fx.GraphModule

    @classmethod
    def of(
        cls, prepared: fx.GraphModule, cropped: fx.GraphModule, teacher: fx.GraphModule, learn_scales: bool
    ) -> TeacherStudent:
        """`cropped`: the calibrated graph for crops; `teacher`: float's graph, which is changed."""
        student = trainable(cropped, learn_scales)
        for network in (student, teacher):
            give_boundary(network)
        return cls(prepared, student.eval(), teacher.eval().requires_grad_(False))

    def to(self, device: torch.device) -> TeacherStudent:
        """Both networks on `device`, channels last."""
        for network in (self.student, self.teacher):
            network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        return self


def give_boundary(graph: fx.GraphModule) -> bool:
    """Changes a graph's output from logits to [logits, boundary attention]; False if it has no boundary branch.

    The attention, sigmoid of the D branch, is what the fusion reads; neither the deployed network nor every checkpoint
    has the training's boundary head. Equalisation may scale channels of the branch, but not before a sigmoid: float's
    attention stays the target.
    """
    attention = boundary_attention(graph)
    output = next(node for node in graph.graph.nodes if node.op == "output")
    output.args = ([output.args[0], *([attention] if attention else [])],)
    graph.recompile()
    return attention is not None


def boundary_attention(graph: fx.GraphModule) -> fx.Node | None:
    """The sigmoid whose nearest layers before it all belong to the boundary branch."""
    branches = branches_of(name for name, _ in graph.named_modules() if name)
    known = {attribute for branch in branches for attribute in branch.attributes}
    boundary = {attribute for branch in branches if branch.boundary for attribute in branch.attributes}
    sigmoids = (node for node in graph.graph.nodes if op_name(node) == "sigmoid")
    return next((node for node in sigmoids if boundary and _layers_before(node, known) <= boundary), None)


def _layers_before(node: fx.Node, known: set[str]) -> set[str]:
    """Returns those of the network's attributes `known` that hold the nearest layers before `node`."""
    attributes: set[str] = set()
    for before in node.all_input_nodes:
        attribute = str(before.target).split(".")[0] if before.op == "call_module" else ""
        attributes |= {attribute} if attribute in known else _layers_before(before, known)
    return attributes


def distillation(outputs: Outputs, expected: Outputs) -> dict[str, Tensor]:
    """Float32 scalars: `logits`, the mean over pixels of KL(float || int8) in nats; `boundary`, mean squared error."""
    parts = {"logits": divergence(outputs[0], expected[0])}
    if len(outputs) > 1:
        parts["boundary"] = F.mse_loss(outputs[1].float(), expected[1].float())
    return parts
