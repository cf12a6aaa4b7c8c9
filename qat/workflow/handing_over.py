"""Handover: the bundle that the vendor's image runs, where this project can't be installed."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, fx
from yacs.config import CfgNode

from qat.backends.bn_folding import folded, layers
from qat.backends.fx.backend import as_graph
from qat.backends.horizon.inputs import normalise_behind
from qat.backends.horizon.march import march_of
from qat.backends.horizon.qconfig import observer_settings
from qat.backends.spec import float_output_modules
from qat.data import SegmentationDataset, build_dataset, class_set, evenly_spaced
from qat.data.segmentation import find_root
from qat.data.transforms import InferenceTransform, network_input
from qat.errors import UserError
from qat.files import replaced_folder, sha256
from qat.handover.bundle import (
    BundleSpec,
    CalibrationPicture,
    CompilerSpec,
    Contents,
    InputSpec,
    Labelled,
    Probes,
    QConfigSpec,
    write_bundle,
)
from qat.handover.int16 import int16_nodes
from qat.handover.runner.plan import PLAN, WEIGHTS
from qat.models import short_name
from qat.ptq.methods import not_taken_over, tunes_weights
from qat.stages import origin_of, source_of, write_record
from qat.stages.folders import HANDOVER
from qat.workflow.calibration_pictures import CalibrationPictures
from qat.workflow.load import load_calibrated, load_float
from qat.workflow.measuring import evaluated_names
from qat.workflow.network import build_network, require_maps
from qat.workflow.progress import Progress, counter, silent
from qat.workflow.run import run_of, twin
from qat.workflow.settings import backend_choice, data_spec, fit_of, graph_size, plugin_options, quant_spec

log = logging.getLogger(__name__)

BOARD = "j5"  # the target that bundles are for
PROBES = 2  # pictures whose logits go along
HOW = ("copy", "list")  # calibration pictures: into the bundle, or by name


@dataclass(frozen=True)
class Handover:
    """The bundle's folder, its bytes and calibration pictures, and the data set's folder, which mIoU needs there."""

    folder: Path
    bytes: int
    pictures: int
    data: Path


def handover(config: CfgNode, progress: Progress = silent, *, pictures: str = "copy") -> Handover:
    """Write the bundle of a calibrated or fine-tuned network for J5: `python run.py` there makes the board's file.

    Args:
        config: the run's config, with QUANT.TARGET j5.
        progress: called with the pictures done, the number of pictures, and a text.
        pictures: of the calibration: copy, into the bundle; or list, which the image reads from a mounted data set.

    Returns:
        The folder, its size, and the folder to mount as the data set.

    Raises:
        UserError: for another target, if the calibration is missing or stale, and for what a bundle can't hold.
    """
    if pictures not in HOW:
        raise UserError(f"--pictures {pictures}; expected {' or '.join(HOW)}")
    require_maps(config, "handover")
    config = run_to_hand_over(config)
    run = run_of(config)
    folder = run.folders.stage(HANDOVER)
    with replaced_folder(folder) as aside:
        contents = _contents(config, pictures == "copy", progress)
        write_bundle(aside, contents, log.info)
        hashes = {f"{name} sha256": sha256(aside / name) for name in (PLAN, WEIGHTS)}
        write_record(aside, HANDOVER, config.dump(), origin_of(run, HANDOVER), hashes)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    count = len(CalibrationPictures.of(config).indices)
    return Handover(folder, size, count, _root(config, config.DATASET.TRAIN_SET))


def run_to_hand_over(config: CfgNode) -> CfgNode:
    """The config of the run on backend fx, whose weights are handed over; UserError for what the plugin hasn't."""
    quant = config.QUANT
    if quant.TARGET != BOARD:
        raise UserError(f"a bundle is for QUANT.TARGET j5, which is {quant.TARGET}; set QUANT.TARGET j5 from calib on")
    if quant.SCHEME != "symmetric":
        raise UserError(f"J5 has symmetric int8 only and QUANT.SCHEME is {quant.SCHEME}; set QUANT.SCHEME symmetric")
    for name in (each.title for each in not_taken_over(quant) if each.changes != "bits"):  # those are in plan.json
        raise UserError(
            f"QUANT.{name} is backend fx's alone: the plugin has no such setting; switch it off for a bundle"
        )
    if quant.HIGH_PRECISION:
        raise UserError("QUANT.HIGH_PRECISION: J5 gives high precision only at the tail, which is found; take it out")
    return twin(config) if backend_choice(config).backend.takes_over else config


def _contents(config: CfgNode, copied: bool, progress: Progress) -> Contents:
    stage = source_of(run_of(config))
    loaded, rewritten = load_calibrated(config, stage=stage)
    prepared, options = as_graph(loaded), plugin_options(config)
    graph = folded(rewritten, prepared).module.eval()
    if options.input_source == "pyramid":
        normalise_behind(graph, _stub(graph), options.mean, options.std)
    tuned = stage == "qat" or tunes_weights(config.QUANT)
    return Contents(
        spec=_spec(config, stage, tuple(float_output_modules(rewritten.module))),
        graph=graph,
        probes=_probes(config, prepared),
        calibration=_calibration(config, copied, progress),
        evaluation=_labelled(config, progress),
        weight_scales=_weight_scales(prepared) if tuned else {},
        int16=int16_nodes(prepared, graph),
    )


def _stub(graph: fx.GraphModule) -> str:
    """The name of the first module after the input: rewriting put a QuantStub there."""
    return next(str(user.target) for node in graph.graph.find_nodes(op="placeholder") for user in node.users)


def _weight_scales(prepared: fx.GraphModule) -> dict[str, Tensor]:
    return {name: core.weight_scale for name, core in layers(prepared) if isinstance(core.weight_scale, Tensor)}


def _spec(config: CfgNode, stage: str, tail: tuple[str, ...]) -> BundleSpec:
    data, compiling, name = config.DATASET, config.COMPILE, short_name(config.MODEL.NAME)
    spec, batches, march = quant_spec(config), plugin_options(config).batches, march_of(compiling.MARCH)
    return BundleSpec(
        title=f"{name} ({data.DATASET}/{config.NAME})",
        stage=stage,
        march=march.name,
        march_text=march.text,
        boards=march.boards,
        classes=tuple(class_set(data_spec(config)).names),
        align_corners=bool(config.MODEL.ALIGN_CORNERS),
        input=_input_spec(config),
        qconfig=QConfigSpec(spec.observer, spec.weight_observer, observer_settings(spec, batches)),
        compiler=CompilerSpec(
            opt=compiling.OPT,
            jobs=compiling.JOBS,
            name=type(build_network(config)).__name__,
            picture=name.replace("_", "-") + ".svg",
        ),
        batch=config.QUANT.CALIB_BATCH_SIZE,
        tail=tail,
    )


def _input_spec(config: CfgNode) -> InputSpec:
    width, height = graph_size(config)
    own_width, own_height = config.TEST.IMAGE_SIZE
    fit, data = fit_of(config), config.DATASET
    picture = (height, width) if fit.mode == "resize" else (own_height, own_width)
    source = config.COMPILE.INPUT_SOURCE
    return InputSpec(height, width, picture, fit.mode, source, tuple(data.MEAN), tuple(data.STD))


@torch.no_grad()
def _probes(config: CfgNode, prepared: fx.GraphModule) -> Probes:
    """Pictures of the val list with the logits of float, as it came, and of the stage that is handed over."""
    dataset = build_dataset(data_spec(config), "val", InferenceTransform())
    indices = evenly_spaced(len(dataset), min(PROBES, len(dataset)))
    fit, data = fit_of(config), config.DATASET
    images = torch.stack([dataset[index]["image"] for index in indices])
    x = network_input(images, data.MEAN, data.STD, fit).contiguous()
    floating, calib = load_float(config), backend_choice(config).backend.fake_quantized(prepared)
    logits = [torch.cat([network(picture[None]) for picture in x]) for network in (floating, calib)]
    names = tuple(dataset.entries[index].name for index in indices)
    return Probes(names, fit.scaled(images).numpy(), logits[0], logits[1])


def _calibration(config: CfgNode, copied: bool, progress: Progress) -> Iterator[CalibrationPicture]:
    pictures = CalibrationPictures.of(config)
    root, fit = _root(config, config.DATASET.TRAIN_SET), fit_of(config)
    advance = counter(progress, len(pictures.indices), "calibration pictures")
    for index in pictures.indices:
        image = fit.scaled(pictures.dataset[index]["image"][None])[0].numpy() if copied else None
        yield CalibrationPicture(_below(root, pictures.dataset, index, copied), image)
        advance(1)


def _labelled(config: CfgNode, progress: Progress) -> Iterator[Labelled]:
    """The evaluated pictures' labels; none where the split has none."""
    dataset = build_dataset(data_spec(config), "val", InferenceTransform())
    root, fit, names = _root(config, config.DATASET.TEST_SET), fit_of(config), evaluated_names(config, dataset)
    if any(entry.label is None for entry in dataset.entries):
        return
    advance = counter(progress, len(names), "labels")
    for index, name in enumerate(names):
        label: np.ndarray = dataset[index]["label"].numpy()
        yield Labelled(name, _below(root, dataset, index, True), label, fit.canvas(label.shape))
        advance(1)


def _root(config: CfgNode, subset: str) -> Path:
    return find_root(data_spec(config), subset)


def _below(root: Path, dataset: SegmentationDataset, index: int, anywhere: bool) -> str:
    """The picture's path below the data set's folder; UserError for another, unless `anywhere` will do."""
    path = Path(os.path.relpath(dataset.entries[index].image, root)).as_posix()
    if path.startswith("..") and not anywhere:
        raise UserError(f"{path} lies outside {root}, which the image mounts; use --pictures copy")
    return path
