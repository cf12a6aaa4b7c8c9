"""What compilation starts from: the calibrated network at the size of the artefacts, in all its forms."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, fx, nn
from yacs.config import CfgNode

from qat.backends import fx as fx_backend
from qat.compile.io_spec import Ends
from qat.errors import UserError
from qat.files import sha256
from qat.models import resolve
from qat.program.lower import program_of
from qat.program.steps import Program
from qat.version import __version__
from qat.workflow import stages


class Classes(Protocol):
    """What the files say of the classes: names, and (classes, 3) RGB colours."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names."""

    @property
    def palette(self) -> np.ndarray:
        """The colours."""


def size_of(cfg: CfgNode) -> list[int]:
    """Width and height of the artefacts' pictures; UserError if the network can't divide them."""
    height, width = cfg.COMPILE.INPUT_SIZE or reversed(cfg.TEST.IMAGE_SIZE)
    stride = resolve(cfg.MODEL.NAME).stride
    source = "" if cfg.COMPILE.INPUT_SIZE else " (from TEST.IMAGE_SIZE)"
    for name, side in (("height", height), ("width", width)):
        if side % stride:
            near = max(side // stride, 1) * stride
            raise UserError(
                f"COMPILE.INPUT_SIZE {height},{width}{source}: the {name} {side} is not a multiple of the network's "
                f"stride {stride}; use {near} or {near + stride}"
            )
    return [width, height]


def ends_of(cfg: CfgNode) -> Ends:
    """What the artefacts take and give."""
    mean, std = tuple(cfg.DATASET.MEAN), tuple(cfg.DATASET.STD)
    return Ends(cfg.COMPILE.INPUT, cfg.COMPILE.OUTPUT, mean, std, cfg.MODEL.ALIGN_CORNERS)


@dataclass(frozen=True)
class Network:
    """The float network's three forms for pictures like `example` (1, 3, H, W).

    `prepared`: the calibrated graph; `plain`: rewritten only, with float's own weights; `floating`: as it came.
    """

    prepared: fx.GraphModule
    plain: fx.GraphModule
    floating: nn.Module
    example: Tensor

    @cached_property
    def calib(self) -> fx.GraphModule:
        """Stage calib: int8 levels in float."""
        return fx_backend.fake_quantized(self.prepared).eval()

    @cached_property
    def converted(self) -> fx.GraphModule:
        """The int8 kernels, not traced."""
        return fx_backend.convert(self.prepared)

    @cached_property
    def int_infer(self) -> torch.jit.ScriptModule:
        """Stage int_infer."""
        return fx_backend.to_torchscript(self.converted, self.example)

    @cached_property
    def program(self) -> Program:
        """The int8 network as steps."""
        return program_of(self.prepared, self.example)

    @cached_property
    def float_program(self) -> Program:
        """The rewritten float network as steps."""
        return program_of(self.plain, self.example, quantised=False)


def load_network(cfg: CfgNode) -> Network:
    """The network that the config's calibration made; UserError where it is missing or was made from other inputs."""
    size = size_of(cfg)
    plain, _ = stages.load_prepared(cfg, prove=False, size=size)
    return Network(stages.load_calibration(cfg, size), plain, stages.load_float(cfg), stages.example_input(cfg, size))


def metadata(cfg: CfgNode, classes: Classes) -> dict[str, str]:
    """What the ONNX files say of themselves; lists and numbers as JSON."""
    return {
        "classes": json.dumps(list(classes.names)),
        "palette": json.dumps([[int(part) for part in colour] for colour in classes.palette]),
        "mean": json.dumps(list(cfg.DATASET.MEAN)),
        "std": json.dumps(list(cfg.DATASET.STD)),
        "align_corners": json.dumps(bool(cfg.MODEL.ALIGN_CORNERS)),
        "float_weights_sha256": sha256(stages.model_file(cfg)),
        "calibration_sha256": sha256(stages.checkpoint(cfg, stages.source(cfg))),
        "network": cfg.MODEL.NAME,
        "rtseg_qat": __version__,
    }
