"""A program becomes an ONNX model: QDQ with int8 weights, or float."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, checker, helper, shape_inference

from qat.compile.onnx.file_facts import file_facts
from qat.compile.onnx.io_spec import ELEMENT, IOSpec, finish, numbered, start
from qat.compile.onnx.ops import emit
from qat.compile.onnx.ties import has_ties, rounded_as_calib
from qat.compile.onnx.values import PLAIN, Spelling, Values
from qat.errors import UserError
from qat.graph.ops import op_called
from qat.program.integers import moves_integers
from qat.program.steps import Program, Step

OPSETS = range(13, 22)  # QuantizeLinear has an axis from 13 on; 21 is what all runtimes here read
FLOAT_OPSETS = range(11, 22)  # hb_mapper reads 11
NAMES = {  # that a file has for its own ends, by IOSpec.result
    "logits": ("image", "logits"),
    "upsampled": ("image", "upsampled", "logits"),
    "argmax": ("image", "upsampled", "classes"),
}


MOVED = (  # cat too: OpenVINO loses signs when it joins dequantised tensors
    *("cat", "getitem", "index_select", "pad", "flip", "roll", "stack", "expand", "repeat_interleave"),
    "channel_shuffle",
)


@dataclass(frozen=True)
class Form:
    """What a file looks like from outside: operator set, open batch, io, and the texts stored in it."""

    opset: int = 17
    dynamic_batch: bool = False
    io: IOSpec = field(default_factory=IOSpec)
    metadata: Mapping[str, str] = field(default_factory=dict)


def to_onnx(program: Program, spelling: Spelling = PLAIN, form: Form | None = None) -> ModelProto:
    """The ONNX model of `program`: input `image` (N, 3, H, W), checked and with all shapes.

    One output as `IOSpec` says; several are logits, called out0, out1 and so on in the network's order.

    Quantised tensors keep the steps' names, as floats behind their DequantizeLinear. Raises UserError for an operation
    without an ONNX form, an operator set outside 13 .. 21 (float: 11 .. 21), or a layer with a name of the file's ends.
    """
    form = form or Form()
    _check(program, form)
    values = Values(program, spelling, form.opset, form.dynamic_batch)
    for step in program.steps:
        _write(values, step, form.io)
    outputs = finish(values, [program[name] for name in program.outputs], form.io)
    nodes, constants = live(values, {output.name for output in outputs})
    texts = {**form.metadata, **file_facts(program, spelling, form.io, form.dynamic_batch)}
    return _checked(helper.make_graph(nodes, "network", [_image(program, form)], outputs, constants), form.opset, texts)


def read_metadata(model: ModelProto) -> dict[str, str]:
    """The texts stored in a model: those of `Form.metadata`, and what the file says of itself."""
    return {entry.key: entry.value for entry in model.metadata_props}


def _check(program: Program, form: Form) -> None:
    known = OPSETS if any(step.quant for step in program.steps) else FLOAT_OPSETS
    if form.opset not in known:
        raise UserError(f"COMPILE.OPSET is {form.opset}; expected {known[0]} to {known[-1]}, such as 17")
    names = NAMES[form.io.result] if len(program.outputs) == 1 else ("image", *numbered(len(program.outputs)))
    if len(program.outputs) > 1 and form.io.result != "logits":
        raise UserError(f"the network has {len(program.outputs)} outputs; COMPILE.OUTPUT {form.io.result} takes one")
    for step in program.steps:
        is_end = step.op == "input" or (step.name in program.outputs and form.io.result == "logits")
        if step.name in names and not is_end:
            raise UserError(f"{step.source}: the file's own ends are called {step.name}; rename the layer {step.name}")


def live(values: Values, outputs: set[str]) -> tuple[list[NodeProto], list[TensorProto]]:
    """The nodes, in order, and the constants that the tensors `outputs` are made of."""
    read = set(outputs)
    nodes: list[NodeProto] = []
    for node in reversed(values.nodes):
        if read & set(node.output):
            read |= set(node.input)
            nodes.insert(0, node)
    return nodes, [constant for name, constant in values.initialisers.items() if name in read]


def _write(values: Values, step: Step, io: IOSpec) -> None:
    if _resamples(values, step):
        _on_integers(values, step)
    elif _moves(values, step):
        _move_integers(values, step)
    elif _joins(values, step):
        _join_integers(values, step)
    elif step.op == "input":
        _finish(values, step, start(values, io))
    else:
        inputs = [values.real[source] for source in step.inputs]
        bare = step.quant is None and not step.relu
        _finish(values, step, emit(values, step, inputs, step.name if bare else f"{step.name}_real"))


def _finish(values: Values, step: Step, result: str) -> None:
    """The step's ReLU and rounding, of the float tensor `result`."""
    if step.quant is None:
        values.real[step.name] = values.node("Relu", [result], step.name) if step.relu else result
    elif step.relu:
        values.rectified(step.name, result, step.quant)
    elif _reaches_ties(values, step):
        rounded_as_calib(values, step, result)
    else:
        values.quantised(step.name, result, step.quant, values.spelling.signed)


def _reaches_ties(values: Values, step: Step) -> bool:
    """Whether `step` is a function of one value of which many results lie half way between two levels."""
    source = values.grids.get(step.inputs[0]) if len(step.inputs) == 1 else None
    is_function = op_called(step.op).elementwise or (step.op == "prelu" and step.weight is not None)
    return is_function and source is not None and has_ties(step, source[0])


def _resamples(values: Values, step: Step) -> bool:
    """Whether `step` resamples within one grid."""
    grid = op_called(step.op).resampling and not step.relu and step.quant
    return bool(grid) and grid == values.before(step).quant


def _on_integers(values: Values, step: Step) -> None:
    """Scaled by 1, so that ties between two levels stay ties."""
    source = step.inputs[0]
    quant, signed = values.grids[source]
    grid = values.grid(replace(quant, scale=1.0), signed)
    levels = values.node("DequantizeLinear", [values.integers[source], *grid], f"{step.name}_levels")
    result = emit(values, step, [levels], f"{step.name}_resampled")
    integers = values.node("QuantizeLinear", [result, *grid], f"{step.name}_quantized")
    values.give(step.name, integers, quant, signed)


def _moves(values: Values, step: Step) -> bool:
    """Whether `step` moves integers of one grid, in one spelling; runtimes know the other moves between floats."""
    grids = [values.grids.get(source) for source in step.inputs]
    if step.op not in MOVED or not moves_integers(step) or not grids or grids[0] is None:
        return False
    return values.program[step.inputs[0]].quant == step.quant and all(grid == grids[0] for grid in grids)


def _joins(values: Values, step: Step) -> bool:
    """Whether `step` concatenates quantised tensors of several grids, which OpenVINO misreads as floats."""
    quants = {values.grids[source][0] if source in values.grids else None for source in step.inputs}
    return step.op == "cat" and bool(step.quant) and not step.relu and None not in quants and len(quants) > 1


def _join_integers(values: Values, step: Step) -> None:
    """Each part rounded to the result's grid, as the result would be, then joined."""
    assert step.quant
    parts = [f"{step.name}_part_{at}" for at in range(len(step.inputs))]
    for part, source in zip(parts, step.inputs, strict=True):
        values.quantised(part, values.real[source], step.quant, values.spelling.signed)
    joined = emit(values, step, [values.integers[part] for part in parts], f"{step.name}_quantized")
    values.give(step.name, joined, step.quant, values.spelling.signed)


def _move_integers(values: Values, step: Step) -> None:
    integers = [values.integers[source] for source in step.inputs]
    values.give(step.name, emit(values, step, integers, f"{step.name}_quantized"), *values.grids[step.inputs[0]])


def _image(program: Program, form: Form) -> ValueInfoProto:
    shape = list(program.steps[0].shape)
    batch = "N" if form.dynamic_batch else shape[0]
    return helper.make_tensor_value_info("image", ELEMENT[form.io.source], [batch, *shape[1:]])


def _checked(graph: GraphProto, number: int, texts: Mapping[str, str]) -> ModelProto:
    opset = [helper.make_opsetid("", number)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=helper.find_min_ir_version_for(opset))
    model.producer_name = "rtseg-qat"
    helper.set_model_props(model, dict(texts))
    model = shape_inference.infer_shapes(model, strict_mode=True)
    checker.check_model(model, full_check=True)
    return model
