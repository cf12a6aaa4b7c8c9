"""What sharing costs: a calibration's and an evaluation's pass in this group of processes, timed."""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from yacs.config import CfgNode

from qat.backends.fx.backend import as_graph
from qat.config import with_values
from qat.data import build_dataset
from qat.distributed import Group, current
from qat.environment import environment
from qat.files import scratch_folder
from qat.workflow.calibration_pictures import CalibrationPictures
from qat.workflow.load import load_prepared, load_stage
from qat.workflow.measuring import evaluated_names, measured
from qat.workflow.observing import Pass, observers_of
from qat.workflow.progress import Progress, silent
from qat.workflow.settings import data_spec, inference_transform


@dataclass(frozen=True)
class PassTime:
    """A pass over `images` pictures: seconds until the last process is done, and processor seconds of all processes.

    `carried`: bytes that the first process took from the others.
    """

    name: str
    images: int
    seconds: float
    processor_seconds: float
    carried: int


@dataclass(frozen=True)
class ScaleBench:
    """The passes of `processes` processes; `machine`: CPU, threads of a process, versions."""

    processes: int
    machine: Mapping[str, Any]
    passes: tuple[PassTime, ...]


def bench_scale(config: CfgNode, progress: Progress = silent) -> ScaleBench:
    """Time the passes that processes share; what comes before them and after them isn't in it.

    Args:
        config: the run's config: its training pictures, float weights and evaluated pictures.
        progress: called with the pictures done, the number of pictures, and a text.

    Returns:
        Both passes' times; nothing is kept.

    Raises:
        UserError: if the float checkpoint or pictures are missing, or there are fewer batches than processes.
    """
    group = current()
    with scratch_folder() as folder:
        aside = with_values(config, {"OUTPUT_DIR": str(folder)})
        group.start(_passes, aside)
        return ScaleBench(group.world, environment(), _passes(group, aside, progress))


def _passes(group: Group, config: CfgNode, progress: Progress = silent) -> tuple[PassTime, ...]:
    """Both passes, which every process runs."""
    pictures, prepared = CalibrationPictures.of(config), as_graph(load_prepared(config, prove=False)[0])
    calibration = Pass(group, pictures, 0, config.QUANT.SAVE_EVERY)
    calib = _timed(group, lambda: calibration.run(prepared, progress, "calib", lambda count: None))
    dataset, model = build_dataset(data_spec(config), "val", inference_transform(config)), load_stage(config, "float")
    parts: list[object] = []
    evaluation = _timed(group, lambda: parts.extend(measured(group, config, "float", dataset, model, progress)))
    images = len(pictures.indices), len(evaluated_names(config, dataset))
    blocks = -(-calibration.total // (calibration.block * group.world))
    carried = _size(observers_of(prepared)) * blocks * (group.world - 1), sum(group.gather(_size(parts))[1:])
    rows = zip(("calib", "eval"), images, (calib, evaluation), carried, strict=True)
    return tuple(PassTime(name, count, *times, taken) for name, count, times, taken in rows)


def _timed(group: Group, work: Callable[[], object]) -> tuple[float, float]:
    """Seconds until all are done, and processor seconds of all."""
    group.gather(None)
    start, processor = time.perf_counter(), time.process_time()
    work()
    used = group.gather(time.process_time() - processor)
    return time.perf_counter() - start, sum(used)


def _size(value: object) -> int:
    return len(pickle.dumps(value))
