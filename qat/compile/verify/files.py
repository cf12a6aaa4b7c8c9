"""Is a file right? Reference semantics against reference semantics; a file that isn't fails the compilation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import Tensor

from qat.compile.io_spec import Ends
from qat.compile.io_wrapper import Ended
from qat.compile.network import Network
from qat.compile.verify.runtimes import SAME, Checks, run_all
from qat.compile.verify.samples import Picture, agreement
from qat.compile.verify.stage_outputs import Expected
from qat.compile.verify.tensors import Tensors, compare_tensors
from qat.compile.write_artefacts import FLOAT, SPELLINGS
from qat.errors import UserError
from qat.runtimes.ort import Ort

RIGHT = 0.999  # share of pixels on which a file must agree with calib, where calib agrees with itself well enough
CHAOS = 1.5  # times the pixels on which calib, moved by a few roundings, differs from itself (`repeatability`)
PICTURES = 2  # whose every tensor is compared


def check_all(folder: Path, network: Network, expected: Expected, ends: Ends, say: Callable[[str], None]) -> Checks:
    """The files against the stages, what each was found to be. UserError for the first file that isn't right."""
    say("checking int_model.pt bit for bit")
    check_script(folder / "int_model.pt", network, ends, expected.pictures[:PICTURES])
    checks: Checks = {}
    for name in SPELLINGS:
        say(f"checking {name} tensor by tensor")
        checks[name] = check_onnx(folder / name, network, expected, torch.get_num_threads())
    say(f"checking {FLOAT}")
    checks[FLOAT] = {"agreement_reference": check_float(folder / FLOAT, expected, torch.get_num_threads())}
    return checks


def check_onnx(path: Path, network: Network, expected: Expected, threads: int) -> dict[str, Any]:
    """Compare an int8 ONNX file, in ONNX Runtime with nothing fused, with stage calib.

    Returns `agreement_reference` and what it was held against. Raises UserError, naming the first tensor that departs.
    """
    found = [tensor for picture in expected.pictures[:PICTURES] for tensor in _tensors(path, network, picture)]
    agreed = agreement(_unfused(path, expected, threads), expected.calib)
    limit = min(RIGHT, 1 - CHAOS * (1 - expected.repeatability))
    if agreed < limit:
        raise UserError(f"{path.name} agrees with stage calib on {agreed:.3%} of pixels only (limit {limit:.3%})")
    return {
        "agreement_reference": agreed,
        "repeatability": expected.repeatability,
        "tensors_compared": len({tensor.name for tensor in found}),
        "largest_share_one_step_off": max(tensor.share for tensor in found),
    }


def check_float(path: Path, expected: Expected, threads: int) -> float:
    """The share of pixels on which the float ONNX file, nothing fused, agrees with float; UserError if too few."""
    agreed = agreement(_unfused(path, expected, threads), expected.floating)
    if agreed < SAME:
        raise UserError(f"{path.name} agrees with stage float on {agreed:.3%} of pixels only (limit {SAME:.2%})")
    return agreed


def _unfused(path: Path, expected: Expected, threads: int) -> list[Tensor]:
    return run_all(Ort(optimise=False).load(path, threads), expected)


def _tensors(path: Path, network: Network, picture: Picture) -> list[Tensors]:
    found = compare_tensors(onnx.load(path), network, picture.image.numpy(), picture.normalised)
    departed = next((tensor for tensor in found if tensor.departs), None)
    if departed:
        raise UserError(f"{path.name} is wrong: {departed}, on {picture.name}; please report this network")
    return found


def check_script(path: Path, network: Network, ends: Ends, pictures: Sequence[Picture]) -> None:
    """int_model.pt, loaded back, must give int_infer's numbers bit for bit; UserError if it doesn't."""
    script, wanted = torch.jit.load(str(path)), Ended(network.int_infer, ends).eval()
    with torch.inference_mode():
        for picture in pictures:
            if not torch.equal(script(picture.image), wanted(picture.image)):
                raise UserError(f"{path.name} doesn't give what int_infer gives on {picture.name}; please report this")
