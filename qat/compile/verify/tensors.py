"""Is an ONNX file right? Every tensor of it against the fake-quantised network, given the same inputs."""

from __future__ import annotations

import numpy as np
import onnx
import torch
from onnx import ModelProto, NodeProto
from torch import Tensor

from qat.program.calibrated import CalibratedNetwork
from qat.program.departures import TensorDifference, against_calib, against_program
from qat.program.steps import Program, Step
from qat.runtimes.ort import options

INTEGERS = ("_rectified", "_quantized_limited", "_quantized")  # how onnx_values calls a step's integers


def compare_tensors(
    model: ModelProto, network: CalibratedNetwork, image: np.ndarray, normalised: Tensor
) -> list[TensorDifference]:
    """Each tensor of `model` in ONNX Runtime, nothing fused, beside the fake-quantised network's and the program's.

    Each step gets the tensors that the file made before it. `image`: as the file takes it; `normalised`: as the network
    does.
    """
    executed = tensors_of(model, network.program, image)
    tensors = {name: torch.from_numpy(tensor) for name, tensor in executed.items()}
    return [
        *against_calib(network, tensors, normalised),
        *against_program(network, tensors, normalised),
    ]


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
    while node.op_type != "QuantizeLinear":  # what clips and moves integers
        node = makers[node.input[0]]
    scale = onnx.numpy_helper.from_array(np.float32(step.quant.scale), f"{name}_scale")
    opened.graph.initializer.append(scale)
    inputs, compared = [name, scale.name, node.input[2]], f"{name}_to_compare"
    opened.graph.node.append(onnx.helper.make_node("DequantizeLinear", inputs, [compared]))
    return compared
