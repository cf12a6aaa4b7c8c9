"""Speed of forward passes, of an evaluation end to end and of a calibration, timed in turn in one process."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, fx
from yacs.config import CfgNode

from qat.backends import calibration
from qat.backends.protocol import Prepared
from qat.data import SegmentationDataset, class_set, data_loader
from qat.data.encodings import Encoding, no_suspicion
from qat.data.listing import Entry
from qat.data.streets import render
from qat.data.transforms import InferenceTransform, Normaliser
from qat.environment import environment
from qat.errors import UserError
from qat.evaluation import LogitStore, Result
from qat.evaluation import evaluate as score
from qat.files import scratch_folder
from qat.models import short_name
from qat.program.lower import program_of
from qat.program.run import ProgramNetwork
from qat.workflow.load import example_input, load_float, load_prepared
from qat.workflow.progress import Progress, counter, silent
from qat.workflow.settings import backend_choice, data_spec, fit_of

WARMUP = 3  # rounds that aren't timed
FLOAT = "float eager"  # what the others are compared with
INT8 = "int8 (int_infer)"  # what is evaluated


@dataclass(frozen=True)
class Forward:
    """Milliseconds a picture of one form of the network, and how much faster than `FLOAT` it is."""

    name: str
    median_ms: float
    min_ms: float
    speed_up: float


@dataclass(frozen=True)
class Bench:
    """`size`: width and height of the pictures, of which there are `images`; `machine`: CPU, threads, versions.

    `eval_over_forward`: how many times the int8 forward passes an evaluation takes, timed alone before it.
    """

    network: str
    weights: str
    size: tuple[int, int]
    images: int
    observer: str
    machine: Mapping[str, Any]
    forwards: tuple[Forward, ...]
    calibration_seconds: float
    eval_over_forward: float
    eval_ms: float


def bench(config: CfgNode, progress: Progress = silent, *, rounds: int = 15, images: int = 24) -> Bench:
    """Time float and int8 in turn, a calibration and an evaluation, on generated pictures.

    Args:
        config: the run's config; its data set isn't read.
        progress: called with the rounds done, the number of rounds (warm-up included), and a text.
        rounds: timed rounds of each form.
        images: generated pictures for the calibration and the evaluation.

    Returns:
        Median and least milliseconds of each form, seconds of the calibration, and the evaluation's ratio to int8's
        forward passes alone.

    Raises:
        UserError: if the float checkpoint is missing, or `rounds` or `images` is below 1.
    """
    if rounds < 1 or images < 1:
        raise UserError(f"--rounds {rounds} --images {images}; expected at least 1 of each")
    backend, example = backend_choice(config).backend, example_input(config)
    with scratch_folder() as folder:
        pictures = street_mosaics(config, folder / "pictures", images)
        network = load_float(config)
        prepared, seconds = _calibrated(config, pictures)
        int8 = backend.convert(prepared)
        script = backend.to_torchscript(int8, example)
        forms: dict[str, Callable[[], object]] = {
            FLOAT: lambda: network(example.contiguous()),
            f"{FLOAT}, channels_last": lambda: network(example),
            "int8 eager": lambda: int8(example),
            INT8: lambda: script(example),
        }
        forms |= _program(prepared, example)
        times = measure(forms, rounds, counter(progress, (rounds + WARMUP) * len(forms), "bench"))
        result = _evaluated(config, script, pictures, Path(folder, "logits"))
    (width, height), forwards = config.TEST.IMAGE_SIZE, summary(times)
    alone = next(form.median_ms for form in forwards if form.name == INT8)
    return Bench(
        network=short_name(config.MODEL.NAME),
        weights=config.TEST.MODEL_FILE,
        size=(width, height),
        images=images,
        observer=config.QUANT.OBSERVER,
        machine=environment(),
        forwards=forwards,
        calibration_seconds=seconds,
        eval_over_forward=result.seconds / images * 1e3 / alone,
        eval_ms=result.seconds / images * 1e3,
    )


def street_mosaics(config: CfgNode, folder: Path, images: int) -> SegmentationDataset:
    """Writes pictures of TEST.IMAGE_SIZE to `folder`; a class is the streets' label id modulo the number of classes."""
    classes = class_set(data_spec(config))
    folder.mkdir(parents=True)
    entries = [_write_mosaic(folder, config.TEST.IMAGE_SIZE, index) for index in range(images)]
    table = (np.arange(256) % len(classes.names)).astype(np.uint8)
    encoding = Encoding("street ids modulo the classes", table, frozenset(range(256)), no_suspicion)
    return SegmentationDataset(entries, [encoding] * images, classes, InferenceTransform())


def _write_mosaic(folder: Path, size: Sequence[int], index: int) -> Entry:
    picture, label = mosaic(size, index)
    entry = Entry(folder / f"{index}.png", folder / f"{index}_ids.png", str(index))
    cv2.imwrite(str(entry.image), picture[..., ::-1])
    cv2.imwrite(str(entry.label), label)
    return entry


def mosaic(size: Sequence[int], index: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Returns a picture (H, W, 3) and label ids (H, W) of `size`: four 512x256 streets, repeated."""
    tiles = [render([2, index, part]) for part in range(4)]
    picture, label = (_repeated([tile[kind] for tile in tiles], size) for kind in (0, 1))
    return picture, label


def _repeated(tiles: Sequence[NDArray[np.uint8]], size: Sequence[int]) -> NDArray[np.uint8]:
    width, height = size
    block = np.vstack([np.hstack(tiles[:2]), np.hstack(tiles[2:])])
    repeats = (-(-height // block.shape[0]), -(-width // block.shape[1]), 1)
    return np.tile(block, repeats[: block.ndim])[:height, :width]


def measure(
    forms: Mapping[str, Callable[[], object]], rounds: int, advance: Callable[..., None]
) -> dict[str, list[float]]:
    """Returns the seconds of each timed round of each form; the forms take turns."""
    times: dict[str, list[float]] = {name: [] for name in forms}
    with torch.inference_mode():
        for _ in range(rounds + WARMUP):
            for name, forward in forms.items():
                start = time.perf_counter()
                forward()
                times[name].append(time.perf_counter() - start)
                advance()
    return {name: values[WARMUP:] for name, values in times.items()}


def summary(times: Mapping[str, Sequence[float]]) -> tuple[Forward, ...]:
    """Returns medians, minima and the speed-up against the first form's median.

    >>> summary({"float": [0.002, 0.004, 0.003], "int8": [0.001, 0.001, 0.002]})[1]
    Forward(name='int8', median_ms=1.0, min_ms=1.0, speed_up=3.0)
    """
    medians = {name: statistics.median(values) for name, values in times.items()}
    base = next(iter(medians.values()))
    return tuple(Forward(name, median * 1e3, min(times[name]) * 1e3, base / median) for name, median in medians.items())


def _program(prepared: Prepared, example: Tensor) -> dict[str, Callable[[], object]]:
    """Returns the program of QUANT.ENGINE program as a form; nothing where another backend has prepared."""
    if not isinstance(prepared, fx.GraphModule):
        return {}
    program = ProgramNetwork(program_of(prepared, example))
    return {"int8 (program)": lambda: program(example)}


def _calibrated(config: CfgNode, pictures: SegmentationDataset) -> tuple[Prepared, float]:
    """Returns the observed graph, and the seconds of observing and of choosing the scales."""
    backend = backend_choice(config).backend
    prepared, _ = load_prepared(config, prove=False)
    to_input = Normaliser(config.DATASET.MEAN, config.DATASET.STD, fit=fit_of(config))
    batches = [batch["image"] for batch in data_loader(pictures, 1, config.WORKERS)]
    start = time.perf_counter()
    calibration.calibrate(prepared, (to_input(batch) for batch in batches), observe=backend.observe)
    backend.qparams(prepared)
    return prepared, time.perf_counter() - start


def _evaluated(config: CfgNode, script: torch.nn.Module, pictures: SegmentationDataset, folder: Path) -> Result:
    """Evaluates `script` against recorded logits, as stage evaluations do."""
    store = LogitStore(folder, key="bench")
    batches = data_loader(pictures, 1, config.WORKERS)
    run = partial(
        score,
        script,
        batches,
        config.DATASET.NUM_CLASSES,
        to_input=Normaliser(config.DATASET.MEAN, config.DATASET.STD, fit=fit_of(config)),
        align_corners=config.MODEL.ALIGN_CORNERS,
        fit=fit_of(config),
    )
    run(record=store.write)  # stands for float's recorded logits
    store.finish()
    return run(reference=store.read)
