"""Is a file right? Reference semantics against reference semantics; a file that isn't fails the compilation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
import torch
from torch import Tensor

from qat.compile.ended import head
from qat.compile.made import Made
from qat.compile.network import Network
from qat.compile.onnx_ends import Ends
from qat.compile.parity import RIGHT, SLACK, Expected, run_all
from qat.compile.pictures import Picture, agreement
from qat.compile.reference import compare_tensors
from qat.errors import UserError
from qat.runtimes.ort import Ort

TENSOR_PICTURES = 2  # whose every tensor is compared


def check_onnx(made: Made, folder: Path, network: Network, expected: Expected, threads: int) -> dict[str, Any]:
    """Compare an int8 ONNX file, in ONNX Runtime with nothing fused, with stage calib.

    Returns `agreement_reference` and what it was held against. Raises UserError, naming the first tensor that departs.
    """
    model = onnx.load(folder / made.name)
    largest = 0.0
    for picture in expected.pictures[:TENSOR_PICTURES]:
        found = compare_tensors(model, network, picture.image.numpy(), picture.normalised)
        departed = next((tensor for tensor in found if tensor.departs), None)
        if departed:
            raise UserError(f"{made.name} is wrong: {departed}, on {picture.name}; please report this network")
        largest = max(largest, max(tensor.share for tensor in found))
    session = Ort(optimise=False).load(folder / made.name, threads)
    agreed = agreement(run_all(session, expected), expected.calib)
    session.close()
    limit = min(RIGHT, expected.repeatability - SLACK)
    if agreed < limit:
        raise UserError(f"{made.name} agrees with stage calib on {agreed:.3%} of pixels only (limit {limit:.3%})")
    return {
        "agreement_reference": agreed,
        "repeatability": expected.repeatability,
        "tensors_compared": len(found),
        "largest_share_one_step_off": largest,
    }


def check_script(path: Path, network: Network, ends: Ends, pictures: list[Picture]) -> None:
    """int_model.pt, loaded back, must give int_infer's numbers bit for bit; UserError if it doesn't."""
    script = torch.jit.load(str(path))
    with torch.inference_mode():
        for picture in pictures:
            size = (picture.normalised.shape[2], picture.normalised.shape[3])
            wanted = head(network.int_infer(_normalised(picture, ends)), size, ends)
            if not torch.equal(script(picture.image), wanted):
                raise UserError(f"{path.name} doesn't give what int_infer gives on {picture.name}; please report this")


def _normalised(picture: Picture, ends: Ends) -> Tensor:
    """What the artefact's own arithmetic makes of raw pixels: a last bit other than the lookup table's."""
    if ends.source == "float":
        return picture.normalised
    gain = (1 / (255 * torch.tensor(ends.std, dtype=torch.float64))).float().view(1, 3, 1, 1)
    shift = (-torch.tensor(ends.mean, dtype=torch.float64) / torch.tensor(ends.std, dtype=torch.float64)).float()
    return picture.image.float() * gain + shift.view(1, 3, 1, 1)
