"""Show what a config's network or a file is: ends, layers, parameters, work, how it is quantised."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path

from yacs.config import CfgNode

from qat.backends import fx
from qat.compile.onnx_file import Layer, Shown, show_onnx
from qat.errors import UserError
from qat.graph import rewrite
from qat.models.checkpoint import read_tensors
from qat.models.pickled import read_network
from qat.program.lower import program_of
from qat.program.steps import Step
from qat.workflow.compilation import described
from qat.workflow.load import example_input
from qat.workflow.network import build_network, network_spec, task_of
from qat.workflow.settings import quant_spec

RUNTIMES = {".xml": "OpenVINO's", ".mnn": "MNN's", ".param": "ncnn's", ".bin": "a runtime's weights", ".hbm": "J5's"}


def show_config(config: CfgNode) -> Shown:
    """What the config's network is, batch normalisation folded, at the size that it is built for; no weights are read.

    Args:
        config: the run's config.

    Returns:
        Its ends, its layers in the order in which they run, and facts of its row and data set.

    Raises:
        UserError: if the network can't be built or traced.
    """
    network, example, spec = build_network(config).eval(), example_input(config), network_spec(config)
    rewritten = rewrite(network, example, config.QUANT.TARGET, prove=False)
    plain = fx.prepare(rewritten, replace(quant_spec(config), allow_float=True))
    program = program_of(plain, example, quantised=False)
    parameters = sum(one.numel() for one in network.parameters())
    facts = {
        "task": task_of(config).name,
        "parameters": f"{parameters:,} in {len(network.state_dict())} tensors, as it comes",
        "stride": str(spec.stride),
        "picture's sides": f"multiples of {spec.side_multiple} ({config.TEST.FIT})",
        "target": config.QUANT.TARGET,
    }
    outputs = {name: _shape(program[name].shape) for name in program.outputs}
    layers = tuple(_layer(step) for step in program.steps if step.op != "input")
    return Shown(config.MODEL.NAME, facts | described(config), {"image": _shape(example.shape)}, outputs, layers)


def show_file(path: str | Path) -> Shown:
    """What a file is: an ONNX file's graph, or a checkpoint's tensors. Nothing in it is run.

    Args:
        path: `.onnx`, a checkpoint (`.pt`, `.pth`, `.safetensors`, `.npz`, `.pkl`) or TorchScript.

    Raises:
        UserError: for a missing, damaged or unknown file.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"there is no file {path}; expected a config, an .onnx file or a checkpoint")
    if path.suffix == ".onnx":
        return show_onnx(path)
    if path.suffix in RUNTIMES:
        raise UserError(
            f"{path} is {RUNTIMES[path.suffix]}, which show doesn't read; show the .onnx that it is made from"
        )
    if _is_script(path):
        facts = {"kind": "TorchScript: a program with its weights; it isn't loaded here"}
        return Shown(str(path), facts | {"size": f"{path.stat().st_size:,} bytes"})
    tensors = read_tensors(path)
    layers = tuple(Layer(name, str(one.dtype)[6:], _shape(one.shape), one.numel()) for name, one in tensors.items())
    return Shown(str(path), {"kind": "a state dict"} | _detector(path), layers=layers)


def _detector(path: Path) -> dict[str, str]:
    """What a pickled detector says of itself: its classes, strides and anchors; nothing for other checkpoints."""
    if path.suffix not in (".pt", ".pth"):
        return {}
    try:
        found = read_network(path)
    except UserError:
        return {}
    facts = {"kind": "a pickled network, read without running it"}
    facts |= {"classes": ", ".join(found.names)} if found.names else {}
    facts |= {} if found.strides is None else {"strides": ", ".join(f"{one:g}" for one in found.strides.tolist())}
    return facts | ({} if found.anchors is None else {"anchors": _shape(tuple(found.anchors.shape))})


def _is_script(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any("/code/" in name for name in archive.namelist())


def _shape(shape: tuple[int, ...]) -> str:
    return f"({', '.join(map(str, shape))})"


def _layer(step: Step) -> Layer:
    held = step.weight
    count = 0 if held is None else held.values.size + (0 if held.bias is None else held.bias.size)
    name = f"{step.op} + relu" if step.relu else step.op
    return Layer(step.name, name, _shape(step.shape), count, step.macs)
