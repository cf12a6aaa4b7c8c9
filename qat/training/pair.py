"""The two networks of a fine-tuning: the int8 one that learns, and the float one that it learns from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx, nn
from yacs.config import CfgNode

from qat import stages
from qat.backends.choose import choose_backend
from qat.backends.scales import weighted
from qat.backends.trainable import ORIGINAL, trainable
from qat.errors import UserError
from qat.evaluation.metrics import passes
from qat.graph.trace import trace
from qat.training.distil import give_boundary


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
        for module in weighted(student):
            learns = module.get_parameter(ORIGINAL).requires_grad  # what the rewrites put in, such as ones, stays
            if isinstance(module.bias, nn.Parameter):
                module.bias.requires_grad_(learns)  # folding batch normalisation makes one without
        for network in (student, teacher):
            give_boundary(network)
        return cls(prepared, student.eval(), teacher.eval().requires_grad_(False))

    def to(self, device: torch.device) -> Pair:
        """Both networks on `device`, channels last."""
        for network in (self.student, self.teacher):
            network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        return self


def load_pair(cfg: CfgNode, learn_scales: bool) -> Pair:
    """The finished calibration, for TEST.IMAGE_SIZE and for crops of TRAIN.IMAGE_SIZE, and the float network.

    UserError if there is none of this config, and for another backend than fx.
    """
    if (name := choose_backend(cfg).backend.name) != "fx":
        raise UserError(f"make qat works on the fx backend, and QUANT.BACKEND is {name}; set QUANT.BACKEND fx")
    crop = cfg.TRAIN.IMAGE_SIZE
    prepared, cropped = (stages.load_calibration(cfg, size, "calib") for size in (cfg.TEST.IMAGE_SIZE, crop))
    return Pair.of(prepared, cropped, trace(stages.load_float(cfg), stages.example_input(cfg, crop)), learn_scales)


def scales_learn(cfg: CfgNode, finished: Mapping[str, Mapping[str, Any]]) -> tuple[bool, str]:
    """Whether activation scales learn, as QAT.SCALES says, and why; `finished`: metrics by stage.

    auto is the vendor's advice: scales of a good calibration stay, those of a poor one learn.
    """
    if cfg.QAT.SCALES != "auto":
        return cfg.QAT.SCALES == "learnt", f"QAT.SCALES is {cfg.QAT.SCALES}"
    if not {"float", "calib"} <= finished.keys():
        return True, "calib isn't evaluated (make eval STAGE=calib)"
    good = passes(finished["calib"], finished["float"], cfg.QUANT.GATE)
    return not good, f"calib {'passes' if good else 'fails'} QUANT.GATE {cfg.QUANT.GATE}"
