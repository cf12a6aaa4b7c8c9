"""Handover for hb_mapper, the vendor's post-training tool: the float network and pictures, no calibration of ours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from yacs.config import CfgNode

from qat.backends import fx
from qat.backends.horizon.march import march_of
from qat.data.fit import padded_pixels
from qat.errors import UserError
from qat.files import replaced_folder
from qat.graph import rewrite
from qat.handover.hb_mapper import MapperSpec, write_mapper_folder
from qat.models import short_name
from qat.program.lower import program_of
from qat.runtimes import get_runtime
from qat.runtimes.optional import require
from qat.stages import origin_of, write_record
from qat.stages.folders import HANDOVER_PTQ
from qat.workflow.calibration_pictures import CalibrationPictures
from qat.workflow.handing_over import BOARD
from qat.workflow.load import example_input, load_float
from qat.workflow.progress import Progress, counter, silent
from qat.workflow.run import run_of
from qat.workflow.settings import fit_of, graph_size, quant_spec


@dataclass(frozen=True)
class PtqHandover:
    """The folder, and the number of its calibration pictures."""

    folder: Path
    pictures: int


def handover_ptq(config: CfgNode, progress: Progress = silent) -> PtqHandover:
    """Write the float network as ONNX of operator set 11, calibration data and hb_mapper's YAML file.

    Args:
        config: the run's config, with QUANT.TARGET j5; QUANT.CALIB_IMAGES pictures go along.
        progress: called with the pictures done, the number of pictures, and a text.

    Returns:
        The folder and the number of pictures.

    Raises:
        UserError: for another target, without ONNX Runtime, which proves the file, and for an operation that has no
            ONNX form.
    """
    if config.QUANT.TARGET != BOARD:
        raise UserError(f"hb_mapper's folder is for QUANT.TARGET {BOARD}, which is {config.QUANT.TARGET}; set it")
    require(get_runtime("ort").module)
    run, network, example = run_of(config), load_float(config), example_input(config)
    rewritten = rewrite(network, example, BOARD, prove=False)
    plain = fx.prepare(rewritten, quant_spec(config))  # folds batch normalisation
    program = program_of(plain, example, quantised=False)
    folder = run.folders.stage(HANDOVER_PTQ)
    with replaced_folder(folder) as aside:
        count = write_mapper_folder(aside, _spec(config), program, network, example, _pictures(config, progress))
        write_record(aside, HANDOVER_PTQ, config.dump(), origin_of(run, "float"), {"pictures": count})
    return PtqHandover(folder, count)


def _spec(config: CfgNode) -> MapperSpec:
    data, compiling, name = config.DATASET, config.COMPILE, short_name(config.MODEL.NAME)
    return MapperSpec(
        title=f"{name} ({data.DATASET}/{config.NAME})",
        name=name,
        march=march_of(compiling.MARCH).text,
        source=compiling.INPUT_SOURCE,
        mean=tuple(data.MEAN),
        std=tuple(data.STD),
        opt=str(compiling.OPT),
    )


def _pictures(config: CfgNode, progress: Progress) -> Iterator[np.ndarray]:
    """The calibration's pictures at the network's size; padding has the level nearest to the mean colour."""
    pictures, fit = CalibrationPictures.of(config), fit_of(config)
    width, height = graph_size(config)
    advance = counter(progress, len(pictures.indices), "calibration pictures")
    for index in pictures.indices:
        image = fit.scaled(pictures.dataset[index]["image"][None])
        yield padded_pixels(image, (height, width), config.DATASET.MEAN)[0].numpy()
        advance(1)
