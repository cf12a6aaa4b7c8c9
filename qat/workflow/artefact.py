"""Stage compiled: an artefact of the compile folder, run by the runtime that COMPILE.RUNTIME names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, pad
from yacs.config import CfgNode

from qat.compile.io_wrapper import as_logits, head
from qat.compile.onnx.io_spec import IOSpec
from qat.data.fit import Fit, Size, picture_size
from qat.errors import UserError, nearest
from qat.evaluation.outputs import Outputs
from qat.files import sha256
from qat.invocation import command, setting
from qat.origin import Origin
from qat.runtimes import BEST, get_runtime
from qat.runtimes.child_process import Isolated
from qat.runtimes.protocol import Session
from qat.stages import origin_of, read_record
from qat.stages.programs import check_programs, inside
from qat.workflow.network import task_of
from qat.workflow.run import folders_of, run_of
from qat.workflow.settings import backend_choice


@dataclass(frozen=True)
class CompiledFile:
    """A file of the compile folder, its manifest's entry, and the manifest's `input` and `output`."""

    path: Path
    record: dict[str, Any]
    input: dict[str, Any]
    output: str

    @property
    def size(self) -> list[int]:
        """Width and height of what it takes."""
        return [self.input["width"], self.input["height"]]

    @property
    def picture(self) -> Size:
        """Height and width of pictures before they are padded."""
        return picture_size(self.input)


def find_artefact(config: CfgNode) -> CompiledFile:
    """Returns COMPILE.ARTEFACT, or the file that COMPILE.RUNTIME runs best.

    Raises UserError if there is none, it was made from another calibration, or its bytes aren't the manifest's.
    """
    folder = folders_of(config).stage("compile")
    manifest = read_record(folder)
    if not manifest:
        raise UserError(f"no compiled artefacts in {folder}; run {command('compile')} first")
    _check_origin(manifest["made_from"], origin_of(run_of(config), "compiled"), folder)
    name = config.COMPILE.ARTEFACT or BEST[config.COMPILE.RUNTIME]
    if name not in manifest["artefacts"]:
        why = manifest.get("missing", {}).get(name) or nearest(name, manifest["artefacts"])
        raise UserError(f"{command('compile')} made no {name} in {folder}: {why}")
    record = manifest["artefacts"][name]
    for file, digest in {name: record["sha256"], **record.get("parts", {})}.items():
        if sha256(inside(folder, file)) != digest:
            expected = f"its bytes aren't those that {command('compile')} wrote"
            raise UserError(f"{folder / file} is damaged: {expected}; run it again")
    check_programs(folders_of(config).base, [folder / name], config.COMPILE.TRUST)
    return CompiledFile(folder / name, record, manifest["input"], manifest.get("output", "logits"))


def _check_origin(recorded: dict[str, Any], now: Origin, folder: Path) -> None:
    if difference := now.difference(recorded):
        raise UserError(
            f"the artefacts in {folder} are stale: compiled with {difference}; run {command('compile')} again"
        )


def load_compiled(config: CfgNode) -> nn.Module:
    """Returns the artefact as a network: its own input -> logits. An argmax artefact gives 1 for its class, else 0.

    Raises UserError if the runtime is missing, can't take the artefact, or crashes on it (a child process tries first).
    """
    artefact = find_artefact(config)
    board = backend_choice(config).backend.board
    if board and artefact.path.suffix not in board.runs_here:
        torchscript = setting("runtime", "torchscript")
        raise UserError(f"{artefact.path.name} runs on the board only; use {torchscript}, or see docs/j5.md")
    runtime = get_runtime(config.COMPILE.RUNTIME).on(config.COMPILE.RUNTIME_DEVICE)
    threads = torch.get_num_threads()
    example = _example(artefact)
    trial = Isolated(runtime).load(artefact.path, threads)
    try:
        trial.run(example)
    finally:
        trial.close()
    session = runtime.load(artefact.path, threads)
    if not task_of(config).maps:
        return SessionOutputs(session)
    return SessionNetwork(session, config.DATASET.NUM_CLASSES)


def in_its_form(logits: Tensor, artefact: CompiledFile, stride: int, align_corners: bool) -> Tensor:
    """Converts a stage's logits (N, C, h, w), of pictures of any size, to the form of the artefact's output.

    `stride`: the network's, the pictures' sides over the logits'.
    """
    width, height = artefact.size
    io = IOSpec(result=artefact.output, align_corners=align_corners)
    if artefact.output == "logits":  # of another size, where the artefact's pictures are
        return interpolate(logits, (height // stride, width // stride), mode="bilinear", align_corners=align_corners)
    return as_logits(cast(Tensor, head(logits, (height, width), io)), logits.shape[1])


def realigned(logits: Tensor, size: Size, fit: Fit, artefact: CompiledFile, align_corners: bool) -> Tensor:
    """Moves a stage's logits (N, C, h, w), of padded pictures of `size`, to where the artefact's pictures have them.

    `fit`: of the stage's pictures. Where nothing is padded, or the same, the logits stay as they are.
    """
    network, (width, height) = fit.network_size(size), artefact.size
    if fit.mode != "pad" or artefact.picture == size or (network == size and artefact.picture == (height, width)):
        return logits
    full = interpolate(logits, network, mode="bilinear", align_corners=align_corners)[..., : size[0], : size[1]]
    small = interpolate(full, artefact.picture, mode="bilinear", align_corners=align_corners)
    return pad(small, (0, width - artefact.picture[1], 0, height - artefact.picture[0]), mode="replicate")


def _example(artefact: CompiledFile) -> np.ndarray:
    kind = np.uint8 if artefact.input.get("type") == "uint8" else np.float32
    width, height = artefact.size
    return np.zeros((1, artefact.input.get("channels", 3), height, width), kind)


class SessionNetwork(nn.Module):
    """A runtime's session as a network."""

    def __init__(self, session: Session, num_classes: int) -> None:
        super().__init__()
        self.session, self.num_classes = session, num_classes

    def forward(self, image: Tensor) -> Tensor:
        """Logits of `image`, the artefact's own input."""
        output = torch.from_numpy(np.ascontiguousarray(self.session.run(np.ascontiguousarray(image.numpy()))))
        return as_logits(output, self.num_classes)


class SessionOutputs(nn.Module):
    """A runtime's session as a network of one output or several, none of them classes."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session

    def forward(self, image: Tensor) -> Outputs:
        """The outputs for `image`, the artefact's own input."""
        outputs = self.session.run_all(np.ascontiguousarray(image.numpy()))
        found = tuple(torch.from_numpy(np.ascontiguousarray(output)) for output in outputs)
        return found[0] if len(found) == 1 else found
