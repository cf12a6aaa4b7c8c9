"""How one network comes through: traced, rewritten, calibrated, in int8, as an ONNX file, each held against the last.

    python tests/held.py package.module:function --size 64x96
    python tests/held.py path/net.py:function --size 128x128 --json

The network keeps the weights that its function gives; its batch normalisations get their statistics from pictures of
the embedded streets. Eight of them calibrate, eight others are measured (`--pictures`): a tie that falls to the other
side moves random weights' figures by up to 1.2 dB on two. Each step says what it found in one line.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import qat
from qat.compile.onnx.values import SPELLINGS
from qat.compile.onnx.writer import to_onnx
from qat.compile.verify.tensors import compare_tensors
from qat.data.streets import render
from qat.errors import UserError
from qat.graph import check
from qat.graph.ops import OPS
from qat.models import UserNetwork
from qat.program.calibrated import CalibratedNetwork
from qat.program.departures import TensorDifference, compare_program, first_departure
from qat.program.run import ProgramNetwork
from qat.program.steps import Program, Step
from qat.torch_private import tree_leaves

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
FLOAT = ("softmax", "layer_norm", "group_norm", "instance_norm", "rms_norm")  # what int8 has no exact form of
LAYERS = [op.name for op in OPS if op.weight == "int8"]
CLEAR = 10.0  # dB of calib, above which int8 is near it


@dataclass
class Held:
    """What was found, in the order of the stages; `failed` names the one that ended it, `why` its line."""

    parameters: int = 0
    failed: str = ""
    why: str = ""
    is_traceback: bool = False
    rules: dict[str, int] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    islands: dict[str, int] = field(default_factory=dict)
    calib: float = 0.0
    int8: float = 0.0
    int8_to_calib: float = 0.0
    departs: str = ""
    onnx: str = ""
    onnx_to_calib: float = 0.0

    @property
    def is_right(self) -> bool:
        """Whether int8 is what calib says, and the file is proven."""
        near = self.calib <= CLEAR or abs(self.int8 - self.calib) <= 1
        return not (self.failed or self.departs or self.onnx) and near

    @property
    def needless(self) -> dict[str, int]:
        """The islands of operations that int8 has."""
        return {name: count for name, count in self.islands.items() if name not in FLOAT}


def pictures(count: int, size: tuple[int, int], first: int = 0) -> Tensor:
    """Normalised pictures (count, 3, height, width) of streets."""
    images = [render([7, 0, first + index], (size[1], size[0]))[0] for index in range(count)]
    batch = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 255
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (MEAN, STD))
    return (batch - mean) / std


def learn_statistics(network: nn.Module, size: tuple[int, int]) -> None:
    """Let batch normalisations see three batches of two pictures."""
    norms = [module for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean
        norm.train()
    with torch.no_grad():
        for batch in range(3):
            network(pictures(2, size, 100 + 2 * batch))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        norm.eval()


def hold(network: nn.Module, size: tuple[int, int], measured: int = 8) -> Held:
    """Take `network` through every stage, `measured` pictures; an error ends it and is recorded."""
    held = Held(sum(parameter.numel() for parameter in network.parameters()))
    stage = "statistics"
    try:
        stages = _stages(network.eval(), size, held, measured)
        while stage:
            stage = next(stages, "")
    except UserError as error:
        held.failed, held.why = stage, str(error)
    except Exception as error:  # this is what is looked for
        held.failed, held.why, held.is_traceback = stage, f"{type(error).__name__}: {_line(error)}", True
    return held


def _stages(network: nn.Module, size: tuple[int, int], held: Held, count: int) -> Iterator[str]:
    """The name of each stage, before it is done."""
    yield "statistics"
    learn_statistics(network, size)
    seen, measured = pictures(8, size), pictures(count, size, 50)
    example = seen[:1]
    yield "rewrite"
    rewritten = qat.rewrite(network, example, "x86")
    held.rules = dict(Counter(fired.rule for fired in rewritten.log.fired))
    yield "check"
    found = check(rewritten.module, example, "x86")
    held.errors = [f"{one.source} {one.message}" for one in found if one.severity == "error"]
    yield "prepare"
    prepared = qat.prepare(rewritten)
    yield "calibrate"
    qat.calibrate(prepared, seen.split(1))
    yield "program"
    held_network = CalibratedNetwork(prepared, example)
    program = held_network.program
    held.islands = dict(Counter(islands(program)))
    yield "int8"
    int8 = ProgramNetwork(program)
    expected, calib, given = (_main(one, measured) for one in (network, held_network.calib, int8))
    held.calib, held.int8, held.int8_to_calib = sqnr(expected, calib), sqnr(expected, given), sqnr(calib, given)
    yield "steps"
    held.departs = _departure(compare_program(held_network, example))
    yield "onnx"
    held.onnx, held.onnx_to_calib = _file(held_network, measured, calib)


def islands(program: Program) -> Iterator[str]:
    """The operation of every step in float from which a rounded step, or a layer's, is made; of layers in float too."""
    read: set[str] = set()
    for step in reversed(program.steps):
        if step.quant or step.name in read or step.op in LAYERS:
            read.update(step.inputs)
    read.update(step.name for step in program.steps if step.op in LAYERS and not _is_int8(step))
    return (step.op for step in program.steps if step.quant is None and step.name in read and not _is_data(step))


def _is_data(step: Step) -> bool:
    """Whether `step` gives no activation: a constant, or the places of a pooling's greatest values."""
    return step.op == "constant" or step.op.endswith("_indices")


def _is_int8(step: Step) -> bool:
    return step.weight is not None and step.weight.scales is not None


def _file(network: CalibratedNetwork, measured: Tensor, calib: Tensor) -> tuple[str, float]:
    """Why there is no right ONNX file, and how near ONNX Runtime's answer is to calib."""
    import onnxruntime

    from qat.runtimes.ort import options

    try:
        model = to_onnx(network.program, SPELLINGS["ort"])
        departs = _departure(compare_tensors(model, network, network.example.numpy(), network.example))
    except UserError as error:
        return str(error), 0.0
    except Exception as error:
        return f"{type(error).__name__}: {_line(error)}", 0.0
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options(1, optimise=True), providers=["CPUExecutionProvider"]
    )
    given = [torch.from_numpy(session.run(None, {"image": one.numpy()})[0]) for one in measured.split(1)]
    return departs, sqnr(calib, torch.cat(given))


def sqnr(expected: Tensor, given: Tensor) -> float:
    """Signal over difference in dB, at most 99."""
    noise = (given - expected).double().square().sum()
    signal = expected.double().square().sum()
    return float((10 * torch.log10(signal / noise)).clamp(max=99)) if noise else 99.0


def _main(network: Callable[[Tensor], Any], batch: Tensor) -> Tensor:
    """The first float tensor that `network` gives, picture by picture."""
    with torch.no_grad():
        given = [next(leaf for leaf in _leaves(network(one)) if leaf.is_floating_point()) for one in batch.split(1)]
    return torch.cat(given)


def _leaves(output: Any) -> list[Tensor]:
    parts = list(vars(output).values()) if hasattr(output, "__dataclass_fields__") else output
    return [leaf for leaf in tree_leaves(parts) if isinstance(leaf, Tensor)]


def _departure(differences: list[TensorDifference]) -> str:
    departed = first_departure(differences)
    return str(departed) if departed else ""


def _line(error: Exception) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), "")


def main() -> int:
    """Hold the network that the command line names; 0 where all of it is right."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="package.module:function or path/net.py:function")
    parser.add_argument("--size", default="64x96", help="height and width of the pictures, such as 64x96")
    parser.add_argument("--pictures", type=int, default=8, help="pictures that are measured (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print what was found as JSON")
    arguments = parser.parse_args()
    height, width = map(int, arguments.size.split("x"))
    held = hold(UserNetwork(arguments.model).build(), (height, width), arguments.pictures)
    if arguments.json:
        print(json.dumps(asdict(held), indent=1))
    else:
        for name, value in asdict(held).items():
            print(f"{name:>14}  {value}")
    return 0 if held.is_right else 1


if __name__ == "__main__":
    raise SystemExit(main())
