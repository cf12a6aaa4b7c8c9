"""One calibrated network in its three forms, and facts of its layers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, fx

from qat.analysis.compare_layers import LayerTensors, int8_beside_calib, program_beside_calib
from qat.analysis.toggle import Switches
from qat.backends.quantiser import ActivationQuantiser
from qat.backends.scales import freeze_scales, quantisers, spec_of
from qat.engine import AUTO, PROGRAM
from qat.program.calibrated import CalibratedNetwork
from qat.program.conversion import choose_kernels
from qat.program.layer_twins import match_layers
from qat.program.steps import Program


@dataclass(frozen=True)
class Sample:
    """A picture: `image` (1, 3, H, W) normalised; `label` (1, h, w) or None; `size`: height, width of its classes.

    `canvas`: height and width that the logits span where the picture is padded (`qat.data.fit`); None: `size`.
    `sides`, `pictures`: as of `Frame`.
    """

    name: str
    image: Tensor
    label: Tensor | None
    size: tuple[int, int]
    canvas: tuple[int, int] | None = None
    sides: tuple[float, ...] | None = None
    pictures: tuple[tuple[int, int], ...] | None = None


@dataclass(frozen=True)
class Subject:
    """`prepared`: the calibrated graph; `plain`: the same with float's own weights (equalised, where that is)."""

    prepared: fx.GraphModule
    plain: fx.GraphModule
    example: Tensor

    def __post_init__(self) -> None:
        """Settle scales that are still open, so that every form has the same ones."""
        freeze_scales(self.prepared)

    @cached_property
    def on(self) -> Switches:
        """Stage calib."""
        return Switches(self.prepared, self.plain)

    @cached_property
    def off(self) -> Switches:
        """Float."""
        switches = Switches(self.prepared, self.plain)
        switches.set(False)
        return switches

    @cached_property
    def network(self) -> CalibratedNetwork:
        """Its forms."""
        return CalibratedNetwork(self.prepared, self.example)

    @cached_property
    def runs_program(self) -> bool:
        """Whether stage int_infer runs the program, not torch.ao's kernels."""
        engine = spec_of(self.prepared).engine
        if engine != AUTO:
            return engine == PROGRAM
        return choose_kernels(self.network, self.example).name == PROGRAM

    @property
    def converted(self) -> fx.GraphModule:
        """Stage int_infer's kernels, where they are torch.ao's."""
        return self.network.converted

    @cached_property
    def twins(self) -> dict[fx.Node, str]:
        """Node of `converted` -> layer."""
        return match_layers(self.prepared, self.converted, self.on.layers)

    @cached_property
    def int8_layers(self) -> frozenset[str]:
        """The layers that stage int_infer computes as such."""
        known = self.program.by_name if self.runs_program else self.twins.values()
        return frozenset(self.on.layers).intersection(known)

    def int8_beside(self, calib: Iterator[LayerTensors], image: Tensor) -> Iterator[LayerTensors]:
        """Every layer of stage int_infer beside stage calib, which `calib` gives."""
        if self.runs_program:
            return program_beside_calib(self.network.runs, self.int8_layers, calib, image)
        return int8_beside_calib(self.converted, self.twins, calib, image)

    @property
    def program(self) -> Program:
        """The int8 network as steps; layers have their steps' names."""
        return self.network.program

    @cached_property
    def quantisers(self) -> dict[str, ActivationQuantiser]:
        """Layer -> what rounds its output; layers that share a scale share it. The tail has none."""
        rounding = {node.all_input_nodes[0].name: quantiser for node, quantiser in quantisers(self.prepared)}
        return {name: rounding[name] for name in self.on.layers if name in rounding}

    def facts(self, name: str) -> dict[str, Any]:
        """A layer's name, operation, module path, source line and multiply-accumulates."""
        step = self.program[name]
        return {"name": name, "op": step.op, "module": step.module, "source": step.source, "macs": step.macs}


def channels(tensor: Tensor) -> Tensor:
    """The largest absolute value of each channel (C,) of a tensor (N, C, ...)."""
    axes = [axis for axis in range(tensor.dim()) if axis != 1]
    return torch.maximum(tensor.amax(axes), -tensor.amin(axes))
