"""The two networks of a fine-tuning: the int8 one that learns, and the float one that it learns from."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import fx
from yacs.config import CfgNode

from qat.backends.trainable import trainable
from qat.graph.trace import trace
from qat.training.distil import give_boundary
from qat.training.initial_graph import Start, starting_graph
from qat.workflow import stages


@dataclass(frozen=True)
class Pair:
    """`prepared`: the calibrated graph for TEST.IMAGE_SIZE, which takes the result.

    `student` and `teacher` take crops (N, 3, H, W) and give [logits] or [logits, boundary attention].
    """

    prepared: fx.GraphModule
    student: fx.GraphModule
    teacher: fx.GraphModule

    @classmethod
    def of(cls, prepared: fx.GraphModule, cropped: fx.GraphModule, teacher: fx.GraphModule, learn_scales: bool) -> Pair:
        """`cropped`: the calibrated graph for crops; `teacher`: float's graph, which is changed."""
        student = trainable(cropped, learn_scales)
        for network in (student, teacher):
            give_boundary(network)
        return cls(prepared, student.eval(), teacher.eval().requires_grad_(False))

    def to(self, device: torch.device) -> Pair:
        """Both networks on `device`, channels last."""
        for network in (self.student, self.teacher):
            network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        return self


def load_pair(cfg: CfgNode, start: Start, write: bool = True) -> Pair:
    """The calibration that training starts from, for TEST.IMAGE_SIZE and for crops of TRAIN.IMAGE_SIZE, and float.

    `write`: see `starting_graph`. UserError if there is no calibration of this config, whose backend is fx.
    """
    crop, prepared = cfg.TRAIN.IMAGE_SIZE, starting_graph(cfg, start, write)
    cropped, _ = stages.load_prepared(cfg, prove=False, size=crop)
    cropped.load_state_dict(prepared.state_dict())
    teacher = trace(stages.load_float(cfg), stages.example_input(cfg, crop))
    return Pair.of(prepared, cropped, teacher, start.scales_learn)
