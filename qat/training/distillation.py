"""Distillation: the int8 network learns from the float one what the labels don't say.

Hinton et al. 2015, "Distilling the knowledge in a neural network", arXiv:1503.02531, at temperature 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, fx

from qat.backends.trainable import trainable
from qat.graph.nodes import op_name
from qat.models import branches_of
from qat.training.teacher_distance import Outputs, TeacherDistance, class_divergence


@dataclass(frozen=True)
class TeacherStudent:
    """The two networks of a fine-tuning, and `prepared`, the calibrated graph for the deployed size, for the result.

    `student` and `teacher` take crops (N, 3, H, W) and give their outputs in a list, such as [logits]; a network with a
    boundary branch [logits, boundary attention (N, K, h, w)]; `boundary` says whether they do.
    """

    prepared: fx.GraphModule
    student: fx.GraphModule
    teacher: fx.GraphModule
    boundary: bool = False

    @classmethod
    def of(
        cls, prepared: fx.GraphModule, cropped: fx.GraphModule, teacher: fx.GraphModule, learn_scales: bool
    ) -> TeacherStudent:
        """`cropped`: the calibrated graph for crops; `teacher`: float's graph, which is changed."""
        student = trainable(cropped, learn_scales)
        boundary = give_boundary(student)
        give_boundary(teacher)
        return cls(prepared, student.eval(), teacher.eval().requires_grad_(False), boundary)

    def to(self, device: torch.device) -> TeacherStudent:
        """Both networks on `device`, channels last."""
        for network in (self.student, self.teacher):
            network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        return self


def give_boundary(graph: fx.GraphModule) -> bool:
    """Changes a graph's output to [logits, boundary attention], or all it gives; False if it has no boundary branch.

    The attention, sigmoid of the D branch, is what the fusion reads; neither the deployed network nor every checkpoint
    has the training's boundary head. Equalisation may scale channels of the branch, but not before a sigmoid: float's
    attention stays the target.
    """
    attention = boundary_attention(graph)
    output = next(node for node in graph.graph.nodes if node.op == "output")
    given = output.args[0]
    own = list(given) if isinstance(given, (list, tuple)) else [given]
    output.args = (cast(list[fx.node.Argument], [*own, *([attention] if attention else [])]),)
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


def distillation(
    outputs: Outputs, expected: Outputs, distance: TeacherDistance = class_divergence, boundary: bool = False
) -> dict[str, Tensor]:
    """Float32 scalars: `logits`, the task's distance; `boundary`, the mean squared error of the last outputs."""
    parts = {"logits": distance(outputs, expected)}
    if boundary:
        parts["boundary"] = F.mse_loss(outputs[-1].float(), expected[-1].float())
    return parts
