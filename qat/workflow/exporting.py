"""Export: a checkpoint as a small file of tensors, or a network as an ONNX file, without a calibration."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from yacs.config import CfgNode

from qat.backends import fx
from qat.compile.export_onnx import export_onnx
from qat.compile.float_onnx import Ends, FloatFile, write_float
from qat.compile.onnx.io_spec import IOSpec
from qat.compile.onnx.writer import FLOAT_OPSETS, OPSETS, Form
from qat.errors import UserError, nearest
from qat.files import sha256
from qat.graph import rewrite
from qat.models import load_checkpoint
from qat.models.forms import EVAL, TRAIN
from qat.models.tensor_files import WRITTEN, write_tensors
from qat.program.lower import program_of
from qat.runtimes import get_runtime
from qat.runtimes.optional import require
from qat.workflow.compilation import described
from qat.workflow.load import example_input, load_float, load_graph
from qat.workflow.network import build_network, require_maps
from qat.workflow.progress import Progress, silent
from qat.workflow.run import folders_of
from qat.workflow.settings import quant_spec

ONNX = ".onnx"
PREDICT = "pred"  # classes in place of logits
AUX_MODES = (EVAL, TRAIN, PREDICT)
STAGES = ("float", "calib")


@dataclass(frozen=True)
class OnnxOptions:
    """How an ONNX file looks from outside.

    `opset`: None for COMPILE.OPSET. `inputs`, `outputs`: names of its ends. `dynamic_batch`: any number of pictures.
    `aux_mode`: eval, the logits; train, every head; pred, the class of each pixel in int32.
    """

    stage: str = "float"
    opset: int | None = None
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    dynamic_batch: bool = False
    aux_mode: str = EVAL


@dataclass(frozen=True)
class Export:
    """The exported file and its SHA-256; `file`: what its comparison with torch found, of a float ONNX file."""

    path: Path
    sha256: str
    file: FloatFile | None = None

    @property
    def lines(self) -> list[str]:
        """The file, its ends, and how near it is to torch, in words."""
        lines = [f"{self.path}, sha256 {self.sha256}"]
        if self.file is None:
            return lines
        lines += [f"  {name}: {shape}" for name, shape in {**self.file.inputs, **self.file.outputs}.items()]
        return [*lines, f"operator set {self.file.opset}; against torch in ONNX Runtime: {self.file.agreement}"]


def export(
    config: CfgNode,
    progress: Progress = silent,
    *,
    output: str | Path,
    weights: str | Path | None = None,
    options: OnnxOptions | None = None,
) -> Export:
    """Write a checkpoint's tensors, or the network as ONNX; the suffix of `output` decides.

    Args:
        config: the run's config; MODEL.NAME and DATASET.NUM_CLASSES must be the checkpoint's.
        progress: not called.
        output: the file: `.safetensors` or `.npz` (half precision, predict form), or `.onnx`.
        weights: the checkpoint to read; by default the run's best.safetensors, and for ONNX TEST.MODEL_FILE.
        options: of an ONNX file.

    Returns:
        The file, its SHA-256, and of a float ONNX file how near it is to torch.

    Raises:
        UserError: if the checkpoint is missing or belongs to another network, if `output` can't be written or has
            another suffix, and if an ONNX file can't be made or computes something else than torch.
    """
    path = Path(output)
    if path.suffix == ONNX:
        return _onnx(config, path, weights, options or OnnxOptions())
    if path.suffix not in WRITTEN:
        raise UserError(f"{path} ends in {path.suffix or 'nothing'}; expected {', '.join((*WRITTEN, ONNX))}")
    if options not in (None, OnnxOptions()):
        raise UserError(f"--stage, --opset and the other options of a graph are for a file that ends in {ONNX}: {path}")
    model = build_network(config)
    load_checkpoint(model, weights or folders_of(config).stage("train") / "best.safetensors")
    write_tensors(path, {name: _half(value) for name, value in model.state_dict().items()})
    return Export(path, sha256(path))


def _half(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.half() if tensor.is_floating_point() else tensor


def _onnx(config: CfgNode, path: Path, weights: str | Path | None, options: OnnxOptions) -> Export:
    require(get_runtime("ort").module)
    _check(config, options)
    if weights is not None:
        config = _with_weights(config, weights, options)
    form = _form(config, options)
    if options.stage != "float":
        export_onnx(load_graph(config), path, example_input(config), form=form)
        return Export(path, sha256(path))
    network, example = _network(config, options), example_input(config)
    rewritten = rewrite(network, example, config.QUANT.TARGET, prove=False)
    plain = fx.prepare(rewritten, replace(quant_spec(config), allow_float=True))  # folds batch normalisation
    program = program_of(plain, example, quantised=False)
    ends = Ends(next(iter(options.inputs), ""), options.outputs)
    file = write_float(path, program, network, example, form, ends)
    return Export(path, sha256(path), file)


def _check(config: CfgNode, options: OnnxOptions) -> None:
    for name, value, known in (("--stage", options.stage, STAGES), ("--aux-mode", options.aux_mode, AUX_MODES)):
        if value not in known:
            raise UserError(f"{name} is {value}; {nearest(value, known)}")
    opsets = FLOAT_OPSETS if options.stage == "float" else OPSETS
    if options.opset is not None and options.opset not in opsets:
        why = "" if options.stage == "float" else "; int8 with a scale a channel needs operator set 13"
        raise UserError(f"--opset is {options.opset}; expected {opsets[0]} to {opsets[-1]}{why}")
    if len(options.inputs) > 1:
        raise UserError(f"--inputs names {len(options.inputs)}, and a network takes one picture; give one name")
    if options.stage != "float" and (options.aux_mode != EVAL or options.inputs or options.outputs):
        raise UserError("--aux-mode, --inputs and --outputs are for --stage float; compile writes int8's other ends")
    if options.aux_mode == PREDICT:
        require_maps(config, "--aux-mode pred")


def _form(config: CfgNode, options: OnnxOptions) -> Form:
    result = "argmax" if options.aux_mode == PREDICT else "logits"
    io = IOSpec(result=result, align_corners=config.MODEL.ALIGN_CORNERS)
    return Form(options.opset or config.COMPILE.OPSET, options.dynamic_batch, io, described(config))


def _with_weights(config: CfgNode, weights: str | Path, options: OnnxOptions) -> CfgNode:
    """The config of these weights, which say a detector's anchors too."""
    if options.stage != "float":
        raise UserError(f"--weights is for --stage float; the weights of {options.stage} are those of the calibration")
    other = config.clone()
    other.defrost()
    other.TEST.MODEL_FILE = str(weights)
    return other


def _network(config: CfgNode, options: OnnxOptions) -> torch.nn.Module:
    if options.aux_mode != TRAIN:
        return load_float(config)
    network = build_network(config, TRAIN)
    load_checkpoint(network, config.TEST.MODEL_FILE)
    return network.eval()
