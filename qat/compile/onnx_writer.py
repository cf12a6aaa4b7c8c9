"""A program becomes an ONNX model: QDQ with int8 weights, or float."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from onnx import GraphProto, ModelProto, ValueInfoProto, checker, helper, shape_inference

from qat.backends.levels import RESAMPLING
from qat.compile.onnx_ends import ELEMENT, Ends, finish, start
from qat.compile.onnx_ops import emit
from qat.compile.onnx_values import PLAIN, Spelling, Values
from qat.compile.program import Program, Step
from qat.errors import UserError

OPSETS = range(13, 22)  # QuantizeLinear has an axis from 13 on; 21 is what all runtimes here read


@dataclass(frozen=True)
class Form:
    """What a file looks like from outside: operator set, open batch, ends, and the texts stored in it."""

    opset: int = 17
    dynamic_batch: bool = False
    ends: Ends = field(default_factory=Ends)
    metadata: Mapping[str, str] = field(default_factory=dict)


def to_onnx(program: Program, spelling: Spelling = PLAIN, form: Form | None = None) -> ModelProto:
    """The ONNX model of `program`: input `image` (N, 3, H, W), one output (see `Ends`), checked and with all shapes.

    Quantised tensors keep the steps' names, as floats behind their DequantizeLinear. Raises UserError for an operation
    without an ONNX form, an operator set outside 13 .. 21, or several outputs.
    """
    form = form or Form()
    if form.opset not in OPSETS:
        raise UserError(f"COMPILE.OPSET is {form.opset}; expected {OPSETS[0]} to {OPSETS[-1]}, such as 17")
    if len(program.outputs) != 1:
        raise UserError(f"the network has {len(program.outputs)} outputs; ONNX files are written for one, the logits")
    values = Values(program, spelling, form.opset, form.dynamic_batch)
    for step in program.steps:
        _write(values, step, form.ends)
    output = finish(values, program[program.outputs[0]], form.ends)
    graph = helper.make_graph(
        values.nodes, "network", [_image(program, form)], [output], [*values.initialisers.values()]
    )
    return _checked(graph, form)


def _write(values: Values, step: Step, ends: Ends) -> None:
    if _joins(values, step):
        return _join_integers(values, step)
    if _resamples(values, step):
        return _on_integers(values, step)
    if step.op == "input":
        result = start(values, ends)
    else:
        inputs = [values.real[source] for source in step.inputs]
        bare = step.quant is None and not step.relu
        result = emit(values, step, inputs, step.name if bare else f"{step.name}_real")
    if step.quant is None:
        values.real[step.name] = values.node("Relu", [result], step.name) if step.relu else result
    elif step.relu:
        values.rectified(step.name, result, step.quant)
    else:
        values.quantised(step.name, result, step.quant, values.spelling.signed)


def _joins(values: Values, step: Step) -> bool:
    grids = [values.grids.get(source) for source in step.inputs]
    return (
        step.op == "cat"
        and not step.relu
        and all(grid and grid[0] == step.quant == grids[0][0] and grid == grids[0] for grid in grids)
    )  # noqa: E501


def _join_integers(values: Values, step: Step) -> None:
    """A concatenation within one grid, of the integers: OpenVINO loses signs when it joins dequantised tensors."""
    integers = [values.integers[source] for source in step.inputs]
    joined = values.node("Concat", integers, f"{step.name}_quantized", axis=step.attributes["dim"])
    quant, signed = values.grids[step.inputs[0]]
    values.give(step.name, joined, quant, signed)


def _resamples(values: Values, step: Step) -> bool:
    return step.op in RESAMPLING and step.quant is not None and step.quant == values.before(step).quant


def _on_integers(values: Values, step: Step) -> None:
    """Resampling within one grid, on the integers: scaled by 1, so that ties between two levels stay ties."""
    source = step.inputs[0]
    quant, signed = values.grids[source]
    grid = values.grid(replace(quant, scale=1.0), signed)
    levels = values.node("DequantizeLinear", [values.integers[source], *grid], f"{step.name}_levels")
    result = emit(values, step, [levels], f"{step.name}_resampled")
    integers = values.node("QuantizeLinear", [result, *grid], f"{step.name}_quantized")
    values.give(step.name, integers, quant, signed)


def _image(program: Program, form: Form) -> ValueInfoProto:
    shape = list(program.steps[0].shape)
    batch = "N" if form.dynamic_batch else shape[0]
    return helper.make_tensor_value_info("image", ELEMENT[form.ends.source], [batch, *shape[1:]])


def _checked(graph: GraphProto, form: Form) -> ModelProto:
    opset = [helper.make_opsetid("", form.opset)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=helper.find_min_ir_version_for(opset))
    model.producer_name = "rtseg-qat"
    helper.set_model_props(model, dict(form.metadata))
    model = shape_inference.infer_shapes(model, strict_mode=True)
    checker.check_model(model, full_check=True)
    return model
