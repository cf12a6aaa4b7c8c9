"""The bundle: a folder from which the vendor's image makes the board's file, with nothing else of this project."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx

from qat.errors import UserError
from qat.files import sha256, write_json, write_text
from qat.handover.network_file import module_name, network_text
from qat.handover.runner import measures, pictures
from qat.handover.runner.plan import FORMAT, PLAN, PROBES, WEIGHT_SCALES, WEIGHTS, Plan
from qat.handover.runner.steps import FLOAT_AT_LEAST
from qat.handover.templating import filled
from qat.version import __version__

RUN = '''"""Every step from float to the board's file; `python run.py --help` says more."""

import os

from runner.main import script

script(os.path.dirname(os.path.abspath(__file__)))
'''
LABELS, PICTURES = "labels", "pictures"  # folders


@dataclass(frozen=True)
class InputSpec:
    """How pictures enter. `picture`: height and width that they are scaled to.

    `height`, `width`: that they are padded to. `source`: ddr or pyramid. `fit`: pad or resize (`qat.data.fit`).
    """

    height: int
    width: int
    picture: tuple[int, int]
    fit: str
    source: str
    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True)
class QConfigSpec:
    """The arguments of the plugin's get_default_qconfig, by its names; weights are per channel, symmetric, axis 0."""

    activation_observer: str
    weight_observer: str
    activation_qkwargs: Mapping[str, float]


@dataclass(frozen=True)
class CompilerSpec:
    """`name`: of perf_model's files; `picture`: of the svg."""

    opt: str | int
    jobs: int
    name: str
    picture: str


@dataclass(frozen=True)
class BundleSpec:
    """What plan.json says. `tail`: layers with 32-bit output.

    `march`: the plugin's member of March in small letters; `march_text`: as its tools take it;
    `boards`: that have it.
    """

    title: str
    stage: str
    march: str
    march_text: str
    boards: str
    classes: tuple[str, ...]
    align_corners: bool
    input: InputSpec
    qconfig: QConfigSpec
    compiler: CompilerSpec
    batch: int
    tail: tuple[str, ...]


@dataclass(frozen=True)
class CalibrationPicture:
    """`path`: below the data set's folder; `pixels`: uint8 (H, W, 3) scaled, or None where the image reads `path`."""

    path: str
    pixels: np.ndarray | None


@dataclass(frozen=True)
class Labelled:
    """A picture to measure mIoU on: its name and path, its label uint8 (H, W), and what the logits span there."""

    name: str
    path: str
    label: np.ndarray
    canvas: tuple[int, int]


@dataclass(frozen=True)
class Probes:
    """Pictures uint8 (N, H, W, 3) scaled, and the logits (N, classes, h, w) of float and of stage calib or qat."""

    names: tuple[str, ...]
    pictures: np.ndarray
    floating: Tensor
    calib: Tensor


@dataclass(frozen=True)
class Contents:
    """What a bundle is made of. `graph`: rewritten and folded, with the weights; `weight_scales`: by layer.

    `int16`: the nodes of `graph` that give 16 bits.
    """

    spec: BundleSpec
    graph: fx.GraphModule
    probes: Probes
    calibration: Iterable[CalibrationPicture]
    evaluation: Iterable[Labelled] = ()
    weight_scales: Mapping[str, Tensor] = field(default_factory=dict)
    int16: tuple[fx.Node, ...] = ()


def write_bundle(folder: Path, contents: Contents, log: Callable[[str], None]) -> None:
    """Fill the empty `folder`, then run its network as run.py will.

    Raises UserError for what a bundle can't hold, and where network.py computes something else than the graph.
    """
    spec, graph = contents.spec, contents.graph
    graph.delete_all_unused_submodules()
    write_text(folder / "network.py", network_text(graph, spec.title, contents.int16))
    write_text(folder / "run.py", RUN)
    write_text(folder / "README.md", _readme(contents))
    with as_file(files("qat.handover") / "runner") as runner:
        shutil.copytree(runner, folder / "runner", ignore=shutil.ignore_patterns("__pycache__"))
    _save(folder / WEIGHTS, {name: value.numpy() for name, value in graph.state_dict().items()})
    if contents.weight_scales:
        _save(folder / WEIGHT_SCALES, {name: scale.cpu().numpy() for name, scale in contents.weight_scales.items()})
    log("writing the calibration's pictures")
    calibration = [_calibration_entry(folder, index, each) for index, each in enumerate(contents.calibration)]
    evaluation = [_evaluation_entry(folder, index, each) for index, each in enumerate(contents.evaluation)]
    write_json(folder / PLAN, _plan(folder, contents, calibration, evaluation))
    _write_probes(folder, contents)


def _readme(contents: Contents) -> str:
    spec, tuned = contents.spec, bool(contents.weight_scales)
    names = {"pictures": PICTURES, "labels": LABELS}
    return filled("README.md.j2", title=spec.title, boards=spec.boards, stage=spec.stage, weight_scales=tuned, **names)


def _plan(folder: Path, contents: Contents, calibration: Sequence[Any], evaluation: Sequence[Any]) -> dict[str, Any]:
    facts = asdict(contents.spec)
    return {
        "format": FORMAT,
        "rtseg_qat": __version__,
        "torch": torch.__version__,
        "weights_sha256": sha256(folder / WEIGHTS),
        "weight_scales": bool(contents.weight_scales),
        "int16": list(dict.fromkeys(map(module_name, contents.int16))),
        "calibration": {"batch": facts.pop("batch"), "pictures": calibration},
        "probes": list(contents.probes.names),
        "evaluation": evaluation,
        **facts,
    }


def _calibration_entry(folder: Path, index: int, picture: CalibrationPicture) -> dict[str, str]:
    if picture.pixels is None:
        return {"path": picture.path}
    file = f"{PICTURES}/{index:04}.npy"
    (folder / PICTURES).mkdir(exist_ok=True)
    np.save(folder / file, picture.pixels)
    return {"file": file, "path": picture.path}


def _evaluation_entry(folder: Path, index: int, picture: Labelled) -> dict[str, Any]:
    file = f"{LABELS}/{index:04}.npz"
    (folder / LABELS).mkdir(exist_ok=True)
    np.savez_compressed(folder / file, label=picture.label)
    return {"name": picture.name, "path": picture.path, "label": file, "canvas": picture.canvas}


def _write_probes(folder: Path, contents: Contents) -> None:
    """The probes with what network.py itself gives, which another torch is held against."""
    probes, plan = contents.probes, Plan(folder)
    network, x = plan.network(), pictures.to_input(plan, contents.probes.pictures)
    with torch.no_grad():
        own = torch.cat([network(picture[None]) for picture in x])
        expected = torch.cat([contents.graph(picture[None]) for picture in x])
    distance = measures.compared(expected, own)
    if distance.decibels < FLOAT_AT_LEAST:
        raise UserError(
            f"{folder / 'network.py'} computes something else than the graph ({distance.decibels:.0f} dB); report this"
        )
    logits = {"bundle": own, "float": probes.floating, "calib": probes.calib}
    _save(folder / PROBES, {"pictures": probes.pictures, **{key: each.numpy() for key, each in logits.items()}})


def _save(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    np.savez(path, **arrays)  # type: ignore[arg-type]
