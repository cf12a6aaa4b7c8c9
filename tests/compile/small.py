"""Small networks, calibrated on random pictures, and their files in ONNX Runtime with nothing fused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from onnx import ModelProto
from torch import Tensor, fx, nn

import qat
from qat.compile.network import Network
from qat.compile.onnx.values import SPELLINGS
from qat.compile.onnx.writer import Form, to_onnx
from qat.compile.verify.tensors import compare_tensors
from qat.program.steps import Program, Step
from qat.runtimes.ort import options
from qat.targets import X86, Target
from tests.compile.operations import Operation

SHAPE = (1, 3, 9, 12)
NO_RULES = replace(X86, rules=frozenset({"quant_stub", "dequant_stub"}))


class Fn(nn.Module):
    """A convolution to 4 channels, `function(module, tensor)`, and a tail where four axes come out."""

    def __init__(self, function: Callable[..., Any], **modules: nn.Module) -> None:
        super().__init__()
        self.function = function
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        for name, module in modules.items():
            self.add_module(name, module)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.function(self, self.first(x))
        return self.tail(y) if hasattr(self, "tail") else y


def pictures(shape: tuple[int, ...] = SHAPE, count: int = 3, seed: int = 1) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator) for _ in range(count)]


def shuffle_norms(model: nn.Module) -> nn.Module:
    """Statistics and gains that batch normalisations have after training; some gains are negative."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d) and module.affine:
            nn.init.uniform_(module.weight, -1.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
        if isinstance(module, nn.BatchNorm2d) and module.running_mean is not None:
            nn.init.uniform_(module.running_mean, -0.5, 0.5)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
    return model


def network(
    model: nn.Module, shape: tuple[int, ...] = SHAPE, spec: qat.QuantSpec | None = None, target: Target = X86
) -> Network:
    """`model` rewritten for `target`, calibrated on random pictures."""
    model.eval()
    rewritten = qat.rewrite(model, pictures(shape)[0], target)
    prepared = qat.prepare(rewritten, spec or qat.QuantSpec(observer="min_max"))
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


class Block(nn.Module):
    """What PIDNet is made of, small: pictures (N, 3, 16, 24) in, logits (N, 3, 8, 12) out."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 6, 3, 2, 1, bias=False), nn.BatchNorm2d(6), nn.ReLU())
        self.conv = nn.Conv2d(6, 6, 3, padding=1)
        self.gate = nn.Conv2d(6, 6, 1)
        self.norm = nn.BatchNorm2d(12)
        self.deep = nn.Conv2d(12, 5, 3, padding=1, bias=False)
        self.tail = nn.Conv2d(5, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        y = F.relu(self.conv(x) + x)
        small = F.avg_pool2d(y, 5, 2, 2)
        gate = torch.sigmoid(self.gate(F.interpolate(small, (8, 12), mode="bilinear", align_corners=False)))
        both = torch.cat([(1 - gate) * x, F.relu(gate * self.conv(y))], 1)
        return self.tail(F.relu(self.deep(F.relu(self.norm(both)))))


BLOCK = (1, 3, 16, 24)


def block(spec: qat.QuantSpec | None = None) -> Network:
    """The calibrated `Block`."""
    torch.manual_seed(3)
    return network(shuffle_norms(Block()), BLOCK, spec)


def check(operation: Operation) -> None:
    """Its file in float equals torch; its int8 files in all spellings equal the fake-quantised network."""
    made, picture = of(operation), pictures(count=1, seed=5)[0]
    assert operation.op in [step.op for step in made.program.steps]
    floating = run(to_onnx(made.float_program), picture)
    np.testing.assert_allclose(floating, torch_says(made.floating, picture), atol=1e-4)
    for spelling in SPELLINGS.values():
        assert departing(to_onnx(made.program, spelling), made) == []


def file_of(
    op: str, old: tuple[int, ...], new: tuple[int, ...], form: Form | None = None, **attributes: Any
) -> ModelProto:
    """A float file of one operation, which makes a tensor of shape `new` from one of shape `old`."""
    steps = (Step("x", "input", (), old), Step("y", op, ("x",), new, attributes=attributes, source="net.py:7"))
    return to_onnx(Program(steps, ("y",)), form=form)
