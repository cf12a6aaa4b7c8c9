"""Is a file right? Reference semantics against reference semantics; a file that isn't fails the compilation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import onnx
import torch
from onnx import ModelProto
from torch import nn

from qat.compile.artefacts import OWN
from qat.compile.io_wrapper import IOWrapper
from qat.compile.network import Network
from qat.compile.onnx.io_spec import IOSpec
from qat.compile.verify.runtimes import SAME, Checks, run_all
from qat.compile.verify.samples import ParitySample
from qat.compile.verify.stage_outputs import StageOutputs
from qat.compile.verify.tensors import compare_tensors
from qat.errors import UserError
from qat.evaluation.outputs import several
from qat.evaluation.tasks import Prediction
from qat.program.departures import TensorDifference, first_departure
from qat.runtimes.ort import Ort
from qat.runtimes.torchscript import load_script
from qat.stages.folders import INT_MODEL

RIGHT = 0.999  # share of pixels on which a file must agree with calib, where calib agrees with itself well enough
CHAOS = 1.5  # times the pixels on which calib, moved by a few roundings, differs from itself (`repeatability`)
COMPARED = 2  # samples whose every tensor is compared


def check_all(
    folder: Path,
    network: Network,
    int8: nn.Module,
    outputs: StageOutputs,
    io: IOSpec,
    log: Callable[[str], None],
) -> Checks:
    """Compare the files with the stages; returns each file's figures. UserError for the first file that isn't right.

    `int8`: stage int_infer.
    """
    threads, checks = torch.get_num_threads(), Checks()
    if (folder / INT_MODEL).is_file():
        log(f"checking {INT_MODEL} bit for bit")
        check_script(folder / INT_MODEL, int8, io, outputs.samples[:COMPARED])
    for spec in OWN:
        if spec.spelling and spec.is_int8:
            log(f"checking {spec.name} tensor by tensor")
            checks[spec.name] = check_onnx(folder / spec.name, network, outputs, threads)
        elif spec.spelling:
            log(f"checking {spec.name}")
            checks[spec.name] = {"agreement_reference": check_float(folder / spec.name, outputs, threads)}
    return checks


def check_onnx(path: Path, network: Network, outputs: StageOutputs, threads: int) -> dict[str, Any]:
    """Compare an int8 ONNX file, in ONNX Runtime with nothing fused, with stage calib.

    Returns the figures for the manifest. Raises UserError, naming the first tensor that departs.
    """
    model = onnx.load(path)
    samples = outputs.samples[:COMPARED]
    compared = [tensor for sample in samples for tensor in _tensors(path.name, model, network, sample)]
    agreed = outputs.agreement(_unfused(path, outputs, threads), outputs.calib)
    limit = min(RIGHT, 1 - CHAOS * (1 - outputs.repeatability)) - outputs.task.grain
    if agreed < limit:
        share = f"{agreed:.3%} of {outputs.task.unit} only"
        raise UserError(f"{path.name} agrees with stage calib on {share} (limit {limit:.3%})")
    return {
        "agreement_reference": agreed,
        "repeatability": outputs.repeatability,
        "tensors_compared": len({tensor.name for tensor in compared}),
        "largest_share_one_step_off": max(tensor.share for tensor in compared),
    }


def check_float(path: Path, outputs: StageOutputs, threads: int) -> float:
    """The share on which the float ONNX file, nothing fused, agrees with float; UserError if it is too small."""
    agreed, limit = outputs.agreement(_unfused(path, outputs, threads), outputs.floating), SAME - outputs.task.grain
    if agreed < limit:
        share = f"{agreed:.3%} of {outputs.task.unit} only"
        raise UserError(f"{path.name} agrees with stage float on {share} (limit {limit:.2%})")
    return agreed


def _unfused(path: Path, outputs: StageOutputs, threads: int) -> list[Prediction]:
    return run_all(Ort(optimise=False).load(path, threads), outputs)


def _tensors(name: str, model: ModelProto, network: Network, sample: ParitySample) -> list[TensorDifference]:
    compared = compare_tensors(model, network, sample.image.numpy(), sample.normalised)
    if departed := first_departure(compared):
        raise UserError(f"{name} is wrong: {departed}, on {sample.name}; please report this network")
    return compared


def check_script(path: Path, int8: nn.Module, io: IOSpec, samples: Sequence[ParitySample]) -> None:
    """int_model.pt, loaded back, must give int_infer's numbers bit for bit; UserError if it doesn't."""
    script = load_script(path)
    int_infer = IOWrapper(int8, io).eval()
    with torch.inference_mode():
        for sample in samples:
            pairs = zip(several(script(sample.image)), several(int_infer(sample.image)), strict=True)
            if not all(torch.equal(one, expected) for one, expected in pairs):
                raise UserError(f"{path.name} doesn't give what int_infer gives on {sample.name}; please report this")
