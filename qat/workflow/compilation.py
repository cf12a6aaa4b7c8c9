"""Compile: write every artefact of the calibrated network, prove each against the stages, run it in every runtime."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yacs.config import CfgNode

from qat.backends.fx.backend import as_graph
from qat.backends.horizon.build import HbmSettings
from qat.compile.horizon import board_record, compile_for_board, device_example
from qat.compile.horizon_perf import PerfRow
from qat.compile.network import Network
from qat.compile.onnx.io_spec import IOSpec
from qat.compile.onnx.writer import Form
from qat.compile.perf import SpeedReport
from qat.compile.pipeline import CompileSettings, chosen_runtimes, compile_into
from qat.compile.verify.runtimes import Parity
from qat.compile.verify.samples import ParitySample
from qat.data import SegmentationDataset, build_dataset, evenly_spaced
from qat.data.fit import Size
from qat.data.transforms import artefact_input, normalise
from qat.errors import UserError
from qat.evaluation.scorer import pictures_in
from qat.evaluation.tasks import DETECTION
from qat.evaluation.tasks.keypoints import KEYPOINTS
from qat.files import replaced_folder, sha256
from qat.invocation import command
from qat.models import short_name
from qat.runtimes.mnn import MnnSettings
from qat.stages import origin_of, source_of, write_record
from qat.stages.folders import INT_MODEL
from qat.stages.programs import note_programs
from qat.version import __version__
from qat.workflow.evaluation import announce
from qat.workflow.handing_over import BOARD, handover
from qat.workflow.load import example_input, load_calibration, load_float, load_graph, load_prepared
from qat.workflow.network import build_network, network_spec, require_maps, task_of
from qat.workflow.progress import Progress, silent
from qat.workflow.run import run_of
from qat.workflow.settings import backend_choice, data_spec, descriptor_of, fit_of, inference_transform

log = logging.getLogger(__name__)

PIXELS = 16 * 480 * 360  # that all pictures of a comparison have together, unless the config says how many


@dataclass(frozen=True)
class Compilation:
    """The folder, the parity of each artefact in each runtime, and speeds; for the board its compiler's estimate."""

    folder: Path
    parity: Parity
    perf: SpeedReport | None
    board: tuple[PerfRow, ...] = ()


def compile(config: CfgNode, progress: Progress = silent) -> Compilation:
    """Write every artefact and compare it with the stages in every runtime; the folder appears whole or not at all.

    Args:
        config: the run's config.
        progress: called by the bundle for the vendor's image alone; each other step is logged.

    Returns:
        The folder, parity with the stages by artefact and runtime, speeds if they were timed, and for J5's plugin its
        compiler's estimate.

    Raises:
        UserError: if the calibration, pictures or a named runtime is missing, or if an artefact doesn't compute
            what the stages do.
    """
    task_of(config)
    announce(config, "compiled")
    done = _for_board(config) if backend_choice(config).backend.board else _for_runtimes(config)
    log.info("compiled -> %s", done.folder)
    if config.QUANT.TARGET == BOARD and not backend_choice(config).backend.board:
        _hand_over(config, progress)
    return done


def _hand_over(config: CfgNode, progress: Progress) -> None:
    """Writes the bundle too, since the plugin isn't here; says why where a bundle can't hold this run."""
    try:
        log.info("the bundle for the vendor's image -> %s", handover(config, progress).folder)
    except UserError as error:
        log.warning("no bundle for the vendor's image: %s", error)


def picture_size(config: CfgNode) -> Size:
    """Returns height and width of the artefacts' pictures before they are fitted."""
    height, width = config.COMPILE.INPUT_SIZE or reversed(config.TEST.IMAGE_SIZE)
    return height, width


def size_of(config: CfgNode) -> list[int]:
    """Returns width and height of what the artefacts take."""
    height, width = fit_of(config).network_size(picture_size(config))
    return [width, height]


def load_network(config: CfgNode) -> Network:
    """Loads the calibrated network and float; UserError if the calibration is missing or was made from other inputs."""
    size = size_of(config)
    plain, _ = load_prepared(config, prove=False, size=size)
    return Network(
        prepared=load_graph(config, size),
        example=example_input(config, size),
        plain=as_graph(plain),
        floating=load_float(config),
    )


def compile_settings(config: CfgNode) -> CompileSettings:
    """Reads section COMPILE."""
    compiling = config.COMPILE
    return CompileSettings(
        title=f"{short_name(config.MODEL.NAME)} ({config.DATASET.DATASET}/{config.NAME})",
        form=Form(compiling.OPSET, compiling.DYNAMIC_BATCH, _io_spec(config), metadata(config)),
        num_classes=config.DATASET.NUM_CLASSES,
        task=task_of(config),
        runtimes=tuple(compiling.RUNTIMES),
        mnn=MnnSettings(compiling.MNN_OPTIMIZE, compiling.MNN_WEIGHT_BITS),
        bench_rounds=compiling.BENCH_ROUNDS,
        command=command("bench-runtimes", f"configs/{config.DATASET.DATASET}/{config.NAME}.yaml"),
        picture=fit_of(config).record(picture_size(config)),
    )


def metadata(config: CfgNode) -> dict[str, str]:
    """Returns the metadata of the ONNX files; lists and numbers as JSON."""
    run, own = run_of(config), described(config)
    calibration = {"calibration_sha256": sha256(run.folders.checkpoint(source_of(run)))}
    return {**own, "float_weights_sha256": run.weights_digest, **calibration}


def described(config: CfgNode) -> dict[str, str]:
    """Returns what a file says of its classes, pictures and network, before any calibration."""
    classes = descriptor_of(config).class_set.resized(config.DATASET.NUM_CLASSES)
    fitted = fit_of(config).record(picture_size(config))
    task = network_spec(config).task
    return {
        "task": task,
        "classes": json.dumps(list(classes.names)),
        "palette": json.dumps([[int(part) for part in colour] for colour in classes.palette]),
        "mean": json.dumps(list(config.DATASET.MEAN)),
        "std": json.dumps(list(config.DATASET.STD)),
        "align_corners": json.dumps(bool(config.MODEL.ALIGN_CORNERS)),
        "network": short_name(config.MODEL.NAME),
        "rtseg_qat": __version__,
        **{key: json.dumps(value) for key, value in {**_reading(config, task), **fitted}.items()},
    }


def _reading(config: CfgNode, task: str) -> dict[str, Any]:
    """What a task's outputs are read and drawn by."""
    if task == DETECTION.name:
        return {"anchors": task_of(config).anchors}
    return {"skeleton": descriptor_of(config).skeleton} if task == KEYPOINTS.name else {}


def parity_samples(config: CfgNode, dataset: SegmentationDataset) -> list[ParitySample]:
    """Returns COMPILE.PARITY_IMAGES samples of the val list, evenly spaced."""
    width, height = size_of(config)
    fit = fit_of(config, picture_size(config))
    spec = {"width": width, "height": height} | fit.record(picture_size(config))
    mean, std = config.DATASET.MEAN, config.DATASET.STD
    to_artefact = artefact_input(spec | {"type": config.COMPILE.INPUT}, mean, std)
    count = config.COMPILE.PARITY_IMAGES or max(PIXELS // (width * height), 4)
    samples = []
    for index in evenly_spaced(len(dataset), min(count, len(dataset))):
        picture = dataset[index]
        images = picture["image"][None]
        size, image = (int(images.shape[1]), int(images.shape[2])), to_artefact(images)
        raw = config.COMPILE.INPUT == "uint8"  # then the padding is a whole level, for the stages too
        normalised = normalise(image.permute(0, 2, 3, 1).contiguous(), mean, std).contiguous() if raw else image
        label, sides = picture.get("label"), (picture["side"],) if "side" in picture else None
        where = size, fit.canvas(size), sides, pictures_in(picture)
        samples.append(ParitySample(picture["name"], normalised, image, label, *where))
    return samples


def _for_runtimes(config: CfgNode) -> Compilation:
    """Compiles the artefacts for this machine's runtimes."""
    chosen_runtimes(config.COMPILE.RUNTIMES)  # refuses early, before anything is read
    transform = inference_transform(config, picture_size(config))
    dataset = build_dataset(data_spec(config), "val", transform)
    run = run_of(config)
    folder = run.folders.stage("compile")
    with replaced_folder(folder) as aside:
        samples = parity_samples(config, dataset)
        log.info("loading the calibration")
        network, settings = load_network(config), compile_settings(config)
        done = compile_into(aside, network, samples, settings, log.info)
        write_record(aside, "compiled", config.dump(), origin_of(run, "compiled"), done.record)
        note_programs(run.folders.base, aside)
    return Compilation(folder, done.parity, done.perf)


def _for_board(config: CfgNode) -> Compilation:
    """Compiles the board's files with the plugin's compiler."""
    size, choice, run = size_of(config), backend_choice(config), run_of(config)
    settings = _hbm_settings(config)
    example = device_example(example_input(config, size), settings.input_source)
    folder = run.folders.stage("compile")
    with replaced_folder(folder) as aside:
        rows = compile_for_board(aside, choice.backend, load_calibration(config, size), example, settings)
        fitted = fit_of(config).record(picture_size(config))
        record = {"backend": choice.record(), **board_record(aside, size, settings, fitted)}
        write_record(aside, "compiled", config.dump(), origin_of(run, "compiled"), record)
        note_programs(run.folders.base, aside)
    return Compilation(folder, {}, None, tuple(rows))


def _io_spec(config: CfgNode) -> IOSpec:
    compiling, data = config.COMPILE, config.DATASET
    if compiling.OUTPUT != "logits":
        require_maps(config, f"COMPILE.OUTPUT {compiling.OUTPUT}")
    return IOSpec(compiling.INPUT, compiling.OUTPUT, tuple(data.MEAN), tuple(data.STD), config.MODEL.ALIGN_CORNERS)


def _hbm_settings(config: CfgNode) -> HbmSettings:
    compiling, name = config.COMPILE, short_name(config.MODEL.NAME)
    return HbmSettings(
        march=compiling.MARCH,
        input_source=compiling.INPUT_SOURCE,
        opt=compiling.OPT,
        jobs=compiling.JOBS,
        network=type(build_network(config)).__name__,
        script=INT_MODEL,
        picture=name.replace("_", "-") + ".svg",
    )
