"""The door of hb_mapper, the vendor's post-training tool: a float ONNX file, calibration data and its configuration.

Source: HorizonRDK/rdk_x3_doc, docs/toolchain_development/intermediate/ptq_process.md: line 74 (operator set 11, IR
version at most 7), lines 313 to 380 (calibration data), the tables from line 628 on (the keys of the YAML file).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from qat.compile.onnx.writer import Form, to_onnx
from qat.errors import UserError
from qat.files import write_text
from qat.handover.runner.measures import compared
from qat.handover.runner.steps import FLOAT_AT_LEAST
from qat.handover.templating import filled
from qat.program.steps import Program
from qat.runtimes import get_runtime

OPSET, MOST_IR = 11, 7
MODEL, YAML, CALIBRATION, INPUT = "model.onnx", "hb_mapper.yaml", "calibration_data", "image"
RUNTIME_TYPES = {"ddr": "rgb", "pyramid": "nv12"}  # by COMPILE.INPUT_SOURCE: what the board feeds
LEVELS = ("O0", "O1", "O2", "O3")


@dataclass(frozen=True)
class MapperSpec:
    """hb_mapper.yaml's part that differs by run. `name`: of the .bin file. `mean`, `std`: of RGB / 255."""

    title: str
    name: str
    march: str
    source: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    opt: str


def write_mapper_folder(
    folder: Path,
    spec: MapperSpec,
    program: Program,
    network: nn.Module,
    example: Tensor,
    pictures: Iterable[np.ndarray],
) -> int:
    """Fill the empty `folder`; returns the number of calibration pictures.

    Args:
        folder: where to.
        spec: what hb_mapper.yaml says.
        program: the float network's steps.
        network: float, as it came, which the file is held against in ONNX Runtime.
        example: a normalised picture (1, 3, H, W).
        pictures: of the calibration, uint8 (H, W, 3) RGB at the network's size.

    Raises:
        UserError: for an operation without an ONNX form in operator set 11, and where the file computes something else.
    """
    model = to_onnx(program, form=Form(OPSET))
    model.ir_version = min(model.ir_version, MOST_IR)
    onnx.save(model, folder / MODEL)
    _check(folder / MODEL, network, example)
    write_text(folder / YAML, _yaml(spec, example.shape))
    names = {"model": MODEL, "input": INPUT, "calibration": CALIBRATION}
    write_text(folder / "README.md", filled("PTQ.md.j2", title=spec.title, march=spec.march, name=spec.name, **names))
    (folder / CALIBRATION).mkdir()
    count = 0
    for count, picture in enumerate(pictures, start=1):
        picture.transpose(2, 0, 1).astype(np.float32).tofile(folder / CALIBRATION / f"{count:04}.bin")
    return count


def _yaml(spec: MapperSpec, shape: Sequence[int]) -> str:
    level = spec.opt if spec.opt in LEVELS else "O3"  # the plugin's other levels aren't hb_mapper's
    return filled(
        "hb_mapper.yaml.j2",
        title=spec.title,
        model=MODEL,
        march=spec.march,
        name=spec.name,
        input=INPUT,
        shape="x".join(map(str, shape)),
        mean=" ".join(f"{255 * part:.6g}" for part in spec.mean),
        scale=" ".join(f"{1 / (255 * part):.8g}" for part in spec.std),
        runtime_type=RUNTIME_TYPES[spec.source],
        calibration=CALIBRATION,
        opt=level,
    )


def _check(path: Path, network: nn.Module, example: Tensor) -> None:
    """Raises UserError where ONNX Runtime computes something else from the file than the network gives."""
    session = get_runtime("ort").load(path, torch.get_num_threads())
    with torch.no_grad():
        distance = compared(network(example), torch.from_numpy(session.run(example.contiguous().numpy())))
    if distance.decibels < FLOAT_AT_LEAST:
        raise UserError(f"{path} computes something else than float ({distance.decibels:.0f} dB); report this network")
