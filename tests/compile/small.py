"""Small networks, calibrated on random pictures, and their files in ONNX Runtime with nothing fused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from onnx import ModelProto
from torch import Tensor, fx, nn

import qat
from qat.compile.network import Network
from qat.compile.onnx.values import SPELLINGS
from qat.compile.onnx.writer import Form, to_onnx
from qat.compile.verify.tensors import compare_tensors
from qat.graph import trace
from qat.graph.nodes import op_name
from qat.program.departures import compare_program
from qat.program.run import ProgramNetwork
from qat.program.steps import Program, Step
from qat.runtimes.ort import options
from qat.targets import X86, Target
from tests.compile.operations import Operation
from tests.networks import BLOCK, SHAPE, Block, Fn, pictures, shuffle_norms

STEPPED = ("sign", "round", "floor", "ceil", "argmax", "argmin", "max_unpool2d", "max_pool2d_indices", "grid_sample")
"""Operations whose value jumps: a small error becomes a large one."""
NO_RULES = replace(X86, rules=frozenset({"quant_stub", "dequant_stub"}))


def network(
    model: nn.Module, shape: tuple[int, ...] = SHAPE, spec: qat.QuantSpec | None = None, target: Target = X86
) -> Network:
    """`model` rewritten for `target`, calibrated on random pictures."""
    model.eval()
    rewritten = qat.rewrite(model, pictures(shape)[0], target)
    prepared = qat.prepare(rewritten, replace(spec or qat.QuantSpec(observer="min_max"), allow_float=True))
    qat.calibrate(prepared, pictures(shape))
    return Network(prepared, pictures(shape)[0], prepared, model)


def small(
    function: Callable[..., Any], spec: qat.QuantSpec | None = None, target: Target = X86, **modules: nn.Module
) -> Network:
    """The network of `function`, with seeded weights."""
    torch.manual_seed(0)
    model = shuffle_norms(Fn(function, **modules)).eval()
    with torch.no_grad():
        out = model(pictures()[0])
    if out.ndim == 4:
        model.tail = nn.Conv2d(out.shape[1], 2, 1)
    return network(model, SHAPE, spec, target)


def of(operation: Operation, spec: qat.QuantSpec | None = None) -> Network:
    """The network of an operation; its modules get seeded weights too."""
    torch.manual_seed(0)
    target = X86 if operation.rewritten else NO_RULES
    return small(operation.function, spec, target, **operation.modules())


def departing(model: ModelProto, network: Network, seed: int = 2) -> list[str]:
    """What departs from the fake-quantised network, on a picture that calibration didn't see."""
    picture = pictures(tuple(network.example.shape), 1, seed)[0]
    found = compare_tensors(model, network, picture.numpy(), picture)
    assert found  # nothing compared is nothing proven
    return [str(tensor) for tensor in found if tensor.departs]


def run(model: ModelProto, image: Tensor | np.ndarray, optimise: bool = False) -> np.ndarray:
    """The file's output in ONNX Runtime."""
    import onnxruntime

    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options(1, optimise), providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"image": np.asarray(image)})[0]


def torch_says(model: nn.Module | fx.GraphModule, image: Tensor) -> np.ndarray:
    with torch.no_grad():
        return model(image).numpy()


def kinds(model: ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]


def block(spec: qat.QuantSpec | None = None) -> Network:
    """The calibrated `Block`."""
    torch.manual_seed(3)
    return network(shuffle_norms(Block()), BLOCK, spec)


def check(operation: Operation) -> None:
    """Float: program and file equal torch. int8: program, files in all spellings and kernels equal stage calib."""
    made, picture = of(operation), pictures(count=1, seed=5)[0]
    assert operation.op in [step.op for step in made.program.steps]
    assert not operation.row or operation.row in _rows(made.floating, picture)
    expected = torch_says(made.floating, picture)
    np.testing.assert_allclose(torch_says(ProgramNetwork(made.float_program), picture), expected, atol=1e-4)
    np.testing.assert_allclose(run(to_onnx(made.float_program), picture), expected, atol=1e-4)
    for exact in (False, True):
        assert [str(one) for one in compare_program(made, picture, exact) if one.departs] == []
    for spelling in SPELLINGS.values():
        assert departing(to_onnx(made.program, spelling), made) == []
    calib = torch_says(made.calib, picture)
    assert sqnr(expected, calib) > (5 if operation.op in STEPPED else 20)
    assert sqnr(calib, torch_says(qat.convert(made.prepared, picture=picture), picture)) > 28


def sqnr(expected: np.ndarray, found: np.ndarray) -> float:
    """The ratio of signal to noise in dB."""
    return float(10 * np.log10(np.square(expected).sum() / max(np.square(expected - found).sum(), 1e-30)))


def _rows(model: nn.Module, picture: Tensor) -> set[str]:
    """The operations that the model calls, by the table's names."""
    return {op_name(node) for node in trace(model, picture).graph.nodes}


def file_of(
    op: str, old: tuple[int, ...], new: tuple[int, ...], form: Form | None = None, **attributes: Any
) -> ModelProto:
    """A float file of one operation, which makes a tensor of shape `new` from one of shape `old`."""
    steps = (Step("x", "input", (), old), Step("y", op, ("x",), new, attributes=attributes, source="net.py:7"))
    return to_onnx(Program(steps, ("y",)), form=form)
