"""One ONNX file of a float network, in any operator set from 11 on, held against torch before it is there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import onnx
import torch
from onnx import GraphProto, ModelProto, TensorProto, helper
from torch import Tensor, nn

from qat.compile.io_wrapper import head
from qat.compile.onnx.writer import Form, to_onnx
from qat.compile.onnx_file import described
from qat.errors import UserError
from qat.evaluation.distance import Distance
from qat.evaluation.outputs import several
from qat.files import atomic_path
from qat.program.steps import Program
from qat.runtimes.ort import options, session

EXACT = 80.0  # dB against torch: summing in another order leaves 100 and more
SAME_CLASSES = 0.9999  # of pixels, where the file gives classes


@dataclass(frozen=True)
class Ends:
    """The names of a file's input and outputs; by default image, and logits, classes or out0, out1, ..."""

    input: str = ""
    outputs: tuple[str, ...] = ()


@dataclass(frozen=True)
class FloatFile:
    """A written file: its operator set, its inputs and outputs with shapes, and how near it is to torch.

    `decibels`: SQNR of the outputs in ONNX Runtime, None where they are equal or classes; `same`: the share (0 to 1) of
    classes that agree, None where the file gives logits.
    """

    path: Path
    opset: int
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    decibels: float | None = None
    same: float | None = None

    @property
    def agreement(self) -> str:
        """How near it is to torch, in words."""
        if self.same is not None:
            return f"the same class on {self.same:.3%} of pixels"
        return "equal" if self.decibels is None else f"{self.decibels:.0f} dB"


def write_float(
    path: Path, program: Program, network: nn.Module, example: Tensor, form: Form, ends: Ends | None = None
) -> FloatFile:
    """Write `program` as ONNX, whole or not at all.

    Args:
        path: of the file.
        program: of the rewritten float network.
        network: float as it came, which the file is held against in ONNX Runtime.
        example: a normalised picture (N, 3, H, W), whose size the file takes.
        form: operator set, open batch, ends and stored texts; `form.io.result` argmax gives classes in int32.
        ends: names.

    Returns:
        The file, and what its comparison found.

    Raises:
        UserError: for an operation without an ONNX form in the operator set, names that are taken, and a file that
            computes something else than torch.
    """
    model = renamed(_with_int32(to_onnx(program, form=form)), ends or Ends())
    with atomic_path(path) as aside:
        onnx.save(model, aside)
        decibels, same = _compared(aside, model, network, example, form)
        _require(path, decibels, same)
    inputs, outputs = described(model.graph.input), described(model.graph.output)
    return FloatFile(path, form.opset, inputs, outputs, decibels, same)


def renamed(model: ModelProto, ends: Ends) -> ModelProto:
    """The model with other names of its ends; UserError for a wrong number of names, or one that is taken."""
    graph = model.graph
    found = [value.name for value in (*graph.input, *graph.output)]
    wanted = [ends.input or found[0], *(ends.outputs or found[1:])]
    if len(wanted) != len(found):
        raise UserError(f"--outputs names {len(wanted) - 1}, and the file has {len(found) - 1}: {', '.join(found[1:])}")
    inner = {name for node in graph.node for name in node.output} | {value.name for value in graph.initializer}
    taken = [new for old, new in zip(found, wanted, strict=True) if new != old and new in inner | set(found)]
    if taken or len(set(wanted)) < len(wanted):
        raise UserError(
            f"the name {(taken or wanted)[0]} is taken in the file; choose another for --inputs or --outputs"
        )
    _rename(graph, dict(zip(found, wanted, strict=True)))
    return model


def _rename(graph: GraphProto, names: Mapping[str, str]) -> None:
    for node in graph.node:
        for part in (node.input, node.output):
            part[:] = [names.get(name, name) for name in part]
    for value in (*graph.input, *graph.output, *graph.value_info):
        value.name = names.get(value.name, value.name)


def _with_int32(model: ModelProto) -> ModelProto:
    """Classes as int32, which runtimes without int64 take too."""
    for output in model.graph.output:
        kind = output.type.tensor_type
        if kind.elem_type == TensorProto.INT64:
            _rename(model.graph, {output.name: f"{output.name}_int64"})
            wide, output.name = output.name, output.name.removesuffix("_int64")
            model.graph.node.append(helper.make_node("Cast", [wide], [output.name], to=TensorProto.INT32))
            kind.elem_type = TensorProto.INT32
    return model


def _compared(
    path: Path, model: ModelProto, network: nn.Module, example: Tensor, form: Form
) -> tuple[float | None, float | None]:
    """SQNR, None where all is equal, or the share of equal classes, against torch on the example."""
    opened = session(path, options(torch.get_num_threads()))
    found = opened.run(None, {model.graph.input[0].name: example.contiguous().numpy()})
    with torch.no_grad():
        wanted = several(head(network(example), (example.shape[2], example.shape[3]), form.io))
    if form.io.result == "argmax":
        same = float((torch.from_numpy(found[0]) == wanted[0]).double().mean())
        return None, same
    distance = Distance()
    distance.update(tuple(torch.from_numpy(one) for one in found), tuple(wanted))
    decibels = distance.logit_sqnr
    assert decibels is not None
    return (None if decibels == float("inf") else decibels), None


def _require(path: Path, decibels: float | None, same: float | None) -> None:
    """UserError where they are too low."""
    if same is not None and same < SAME_CLASSES:
        what = f"the same class on {same:.3%} of pixels"
    elif decibels is not None and decibels < EXACT:
        what = f"{decibels:.0f} dB"
    else:
        return
    raise UserError(f"{path.name} isn't written: it isn't what torch computes ({what}); report this network")
