"""The two networks of a fine-tuning: the int8 one that learns, and the float one that it learns from."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import fx

from qat.backends.trainable import trainable
from qat.training.distil import give_boundary


@dataclass(frozen=True)
class TeacherStudent:
    """`prepared`: the calibrated graph for the deployed size, which takes the result.

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
