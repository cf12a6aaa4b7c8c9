"""Does what runs compute what stage calib computes? Every tensor against calib's, given the same inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, fx

from qat.backends.scales import quantisers
from qat.program.calibrated import CalibratedNetwork
from qat.program.layer_twins import match_layers
from qat.program.run import ProgramNetwork
from qat.program.steps import Step

STEPS = 1.01  # a rounding may fall to the other side: one step, and its own float error
SHARE = 0.05  # of a tensor's values that may; what was measured stays below 0.02
FLOAT = 1e-3  # of the largest value, where a tensor is float
FEW = 8  # values of a tensor that may in any case


@dataclass(frozen=True)
class TensorDifference:
    """One tensor's difference: the largest in scale steps (of float tensors, per largest value); share that differs.

    `reference`: what it was held against.
    """

    name: str
    op: str
    source: str
    largest: float
    share: float
    values: int
    quantised: bool
    reference: str = "stage calib"

    @property
    def departs(self) -> bool:
        """Whether this is more than rounding."""
        if not self.quantised:
            return self.largest > FLOAT
        return self.largest > STEPS or self.share * self.values > SHARE * self.values + FEW

    def __str__(self) -> str:
        """What departs, where, by how much."""
        amount = f"{self.largest:.2f} scale steps" if self.quantised else f"{self.largest:.2g} of its largest value"
        where = f"{self.name} ({self.op}, {self.source})"
        return f"{where} is off by up to {amount}, {self.share:.2%} of its values differ from {self.reference}"


def first_departure(differences: Sequence[TensorDifference]) -> TensorDifference | None:
    """The first tensor that is off by more than rounding."""
    return next((difference for difference in differences if difference.departs), None)


def compare_program(network: CalibratedNetwork, picture: Tensor, exact: bool = False) -> list[TensorDifference]:
    """Each tensor of the program, run on integers; `picture`: normalised; `exact`: without the fast kernels."""
    program = ProgramNetwork(network.program, exact) if exact else network.runs
    return against_calib(network, program.tensors(picture), picture)


def compare_converted(network: CalibratedNetwork, picture: Tensor) -> list[TensorDifference]:
    """Each tensor of torch.ao's kernels; `picture`: normalised. torch raises whatever it likes where it can't run."""
    run = _Converted(network)
    with torch.no_grad():
        run.run(picture)
    return against_calib(network, run.tensors, picture)


def against_calib(network: CalibratedNetwork, tensors: Mapping[str, Tensor], picture: Tensor) -> list[TensorDifference]:
    """`tensors`, real numbers by step, each against what stage calib makes of those before it.

    So differences don't add up: a rounding that falls to the other side moves everything behind it.
    """
    comparison = _BesideCalib(network, tensors)
    with torch.no_grad():
        comparison.run(picture)
    return comparison.differences


def against_program(
    network: CalibratedNetwork, tensors: Mapping[str, Tensor], picture: Tensor
) -> list[TensorDifference]:
    """`tensors`, real numbers by step, each against what the program makes of those before it."""
    with torch.no_grad():
        found = [
            difference(step, expected, tensors[step.name].reshape(expected.shape))
            for step, expected in network.runs.each(picture, tensors)
            if step.name in tensors
        ]
    return [replace(one, reference="the program") for one in found]


def difference(step: Step, expected: Tensor, found: Tensor) -> TensorDifference:
    """How far `found` is from `expected`, both real numbers of `step`'s tensor."""
    expected, found = expected.float(), found.float()
    unit = step.quant.scale if step.quant else float(expected.abs().max()) or 1.0
    off = (expected - found).abs() / unit
    share = float((off > 0.55).double().mean()) if step.quant else 0.0
    largest = float(off.max()) if bool(off.isfinite().all()) else float("inf")
    return TensorDifference(step.name, step.op, step.source, largest, share, off.numel(), step.quant is not None)


class _Converted(fx.Interpreter):
    """Runs torch.ao's graph; `tensors`: what its layers give, as real numbers, by the steps' names."""

    def __init__(self, network: CalibratedNetwork) -> None:
        super().__init__(network.converted, garbage_collect_values=True)
        self.layers = match_layers(network.prepared, network.converted, network.program.by_name)
        self.outputs = network.program.outputs
        self.tensors: dict[str, Tensor] = {}

    def run_node(self, n: fx.Node) -> Any:
        """Compute, and keep a layer's tensor."""
        value = super().run_node(n)
        if n.op == "output":
            values = value if isinstance(value, tuple | list) else (value,)
            self.tensors |= dict(zip(self.outputs, values, strict=True))
        elif n in self.layers:
            self.tensors[self.layers[n]] = value.dequantize() if value.is_quantized else value
        return value


class _BesideCalib(fx.Interpreter):
    """Runs the fake-quantised graph; every tensor that is given is compared, and the given one goes on."""

    def __init__(self, network: CalibratedNetwork, tensors: Mapping[str, Tensor]) -> None:
        super().__init__(network.calib, garbage_collect_values=True)
        self.program, self.tensors = network.program, tensors
        self.rounded = {node.name: node.all_input_nodes[0].name for node, _ in quantisers(network.prepared)}
        self.differences: list[TensorDifference] = []

    def run_node(self, n: fx.Node) -> Any:
        """Compute, compare, and go on with the given tensor."""
        value = super().run_node(n)
        step = self._step(n)
        if step is None or not isinstance(value, Tensor):
            return value
        found = self.tensors[step.name].reshape(value.shape)
        self.differences.append(difference(step, value, found))
        return found.to(value.dtype)

    def _step(self, node: fx.Node) -> Step | None:
        """The step whose tensor is final at `node`: where it is rounded, or, of float ones, made."""
        name = node.name if node.name in self.tensors else self.rounded.get(node.name, "")
        step = self.program.by_name.get(name)
        if step is None or name not in self.tensors:
            return None
        if node.name in self.rounded:
            return step if step.quant else None
        waits = step.quant and node.name in self.rounded.values()  # for its rounding; what is moved has none of its own
        return None if waits else step
