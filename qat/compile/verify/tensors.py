"""Is a file, or the program, right? Every tensor against the fake-quantised network, given the same inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import torch
from onnx import ModelProto, NodeProto
from torch import Tensor, fx

from qat.backends.scales import quantisers
from qat.compile.network import CalibratedNetwork
from qat.program.run import ProgramNetwork
from qat.program.steps import Program, Step
from qat.runtimes.ort import options

STEPS = 1.01  # a rounding may fall to the other side: one step, and its own float error
SHARE = 0.05  # of a tensor's values that may; what was measured stays below 0.02
FLOAT = 1e-3  # of the largest value, where a tensor is float
FEW = 8  # values of a tensor that may in any case
INTEGERS = ("_rectified", "_quantized_limited", "_quantized")  # how onnx_values calls a step's integers


@dataclass(frozen=True)
class TensorDifference:
    """One tensor's difference: the largest in scale steps (of float tensors, per largest value); share that differs."""

    name: str
    op: str
    source: str
    largest: float
    share: float
    values: int
    quantised: bool

    @property
    def departs(self) -> bool:
        """Whether this is more than rounding."""
        if not self.quantised:
            return self.largest > FLOAT
        return self.largest > STEPS or self.share * self.values > SHARE * self.values + FEW

    def __str__(self) -> str:
        """What departs, where, by how much."""
        amount = f"{self.largest:.2f} scale steps" if self.quantised else f"{self.largest:.2g} of its largest value"
        return f"{self.name} ({self.op}, {self.source}) is off by up to {amount}, {self.share:.2%} of its values differ"


def compare_tensors(
    model: ModelProto, network: CalibratedNetwork, image: np.ndarray, normalised: Tensor
) -> list[TensorDifference]:
    """Each tensor of `model` in ONNX Runtime, nothing fused, beside the fake-quantised network's on the same inputs.

    Each step gets the tensors that the file made before it, so differences don't add up: a rounding that falls to the
    other side moves everything behind it. `image`: as the file takes it; `normalised`: as the network does.
    """
    return against_calib(network, tensors_of(model, network.program, image), normalised)


def compare_program(network: CalibratedNetwork, normalised: Tensor, exact: bool = False) -> list[TensorDifference]:
    """Each tensor of the program, run on integers, beside what the fake-quantised network makes of the same.

    `exact`: without the fast kernels.
    """
    executed = ProgramNetwork(network.program, exact).tensors(normalised)
    return against_calib(network, {name: tensor.numpy() for name, tensor in executed.items()}, normalised)


def against_calib(
    network: CalibratedNetwork, tensors: dict[str, np.ndarray], normalised: Tensor
) -> list[TensorDifference]:
    """`tensors`, real numbers by step, each against what stage calib makes of those before it."""
    comparison = _TensorComparison(network, tensors)
    with torch.no_grad():
        comparison.run(normalised)
    return comparison.differences


def first_departure(differences: Sequence[TensorDifference]) -> TensorDifference | None:
    """The first tensor that is off by more than rounding."""
    return next((difference for difference in differences if difference.departs), None)


def tensors_of(model: ModelProto, program: Program, image: np.ndarray) -> dict[str, np.ndarray]:
    """What the program's steps give in ONNX Runtime without optimisation."""
    import onnxruntime

    opened, names = _opened(model, program)
    session = onnxruntime.InferenceSession(
        opened.SerializeToString(), options(torch.get_num_threads(), optimise=False), providers=["CPUExecutionProvider"]
    )
    return dict(zip(names, session.run([*names.values()], {"image": image}), strict=True))


def _opened(model: ModelProto, program: Program) -> tuple[ModelProto, dict[str, str]]:
    """A copy of `model` whose outputs are the steps' tensors; step -> what its tensor is called."""
    opened = ModelProto()
    opened.CopyFrom(model)
    makers = {output: node for node in model.graph.node for output in node.output}
    names = {step.name: name for step in program.steps if (name := _tensor(opened, program, step, makers))}
    del opened.graph.output[:]
    values = (onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in names.values())
    opened.graph.output.extend(values)
    return opened, names


def _tensor(opened: ModelProto, program: Program, step: Step, makers: dict[str, NodeProto]) -> str | None:
    """The name of `step`'s float tensor, None where the file doesn't have it.

    Where the file goes on with the integers only, a DequantizeLinear is added. The last step has the output's name.
    """
    if step.name in makers:
        return step.name
    if step.name in program.outputs:
        return "logits"
    integers = next((step.name + end for end in INTEGERS if step.name + end in makers), None)
    if integers is None or step.quant is None:
        return None
    node, name = makers[integers], integers
    while node.op_type in ("Clip", "Concat"):
        node = makers[node.input[0]]
    scale = onnx.numpy_helper.from_array(np.float32(step.quant.scale), f"{name}_scale")
    opened.graph.initializer.append(scale)
    inputs, compared = [name, scale.name, node.input[2]], f"{name}_to_compare"
    opened.graph.node.append(onnx.helper.make_node("DequantizeLinear", inputs, [compared]))
    return compared


class _TensorComparison(fx.Interpreter):
    """Runs the fake-quantised graph; every tensor that the file has too is compared, and the file's goes on."""

    def __init__(self, network: CalibratedNetwork, tensors: dict[str, np.ndarray]) -> None:
        super().__init__(network.calib, garbage_collect_values=True)
        self.program, self.tensors = network.program, tensors
        self.rounded = {node.name: node.all_input_nodes[0].name for node, _ in quantisers(network.prepared)}
        self.differences: list[TensorDifference] = []

    def run_node(self, n: fx.Node) -> Any:
        """Compute, compare, and go on with the file's tensor."""
        value = super().run_node(n)
        step = self._step(n)
        if step is None or not isinstance(value, Tensor):
            return value
        file = torch.from_numpy(self.tensors[step.name]).view(value.shape)
        self.differences.append(_difference(step, value, file))
        return file

    def _step(self, node: fx.Node) -> Step | None:
        """The step whose tensor is final at `node`: where it is rounded, or, of float ones, made."""
        name = node.name if node.name in self.tensors else self.rounded.get(node.name, "")
        step = self.program.by_name.get(name)
        if step is None or name not in self.tensors:
            return None
        is_rounding = node.name in self.rounded
        return step if is_rounding == (step.quant is not None) else None


def _difference(step: Step, value: Tensor, file: Tensor) -> TensorDifference:
    unit = step.quant.scale if step.quant else float(value.abs().max()) or 1.0
    off = (value - file).abs() / unit
    share = float((off > 0.55).double().mean()) if step.quant else 0.0
    largest = float(off.max()) if bool(off.isfinite().all()) else float("inf")
    return TensorDifference(step.name, step.op, step.source, largest, share, off.numel(), step.quant is not None)
