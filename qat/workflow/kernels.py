"""Which kernels run stage int_infer: decided on a calibration picture, recorded, decided again on another machine."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx, nn
from yacs.config import CfgNode

from qat.backends.fx import to_torchscript
from qat.data import build_dataset, evenly_spaced
from qat.data.transforms import network_input
from qat.engine import PROGRAM
from qat.environment import has_vnni
from qat.errors import UserError
from qat.files import read_json, write_json
from qat.program.calibrated import CalibratedNetwork
from qat.program.conversion import Kernels, choose_kernels, int8_network
from qat.program.kernels import available
from qat.stages import origin_of
from qat.stages.folders import KERNELS
from qat.version import __version__
from qat.workflow.run import run_of
from qat.workflow.settings import data_spec, fit_of, inference_transform

log = logging.getLogger(__name__)


def load_int8(config: CfgNode, prepared: fx.GraphModule, example: Tensor) -> nn.Module:
    """Returns stage int_infer's network for pictures like `example` (1, 3, H, W).

    Raises UserError where a layer of what has to run departs from stage calib.
    """
    network, kernels = CalibratedNetwork(prepared, example), recorded_kernels(config)
    if kernels is None:
        kernels = choose_kernels(network, _picture(config, example))
        write_json(_path(config), {"name": kernels.name, "reason": kernels.reason, **_decided_by(config)})
    log.info("%s", kernels)
    int8 = int8_network(network, kernels)
    return int8 if kernels.name == PROGRAM else to_torchscript(int8, example)


def recorded_kernels(config: CfgNode) -> Kernels | None:
    """Returns the kernels that were chosen for this calibration, on such a CPU, by this torch; None: not yet."""
    path = _path(config)
    record = read_json(path) if path.is_file() else None
    if not isinstance(record, dict) or any(record.get(key) != value for key, value in _decided_by(config).items()):
        return None
    name, reason = record.get("name"), record.get("reason")
    return Kernels(name, reason) if isinstance(name, str) and isinstance(reason, str) else None


def _path(config: CfgNode) -> Path:
    return run_of(config).folders.stage("int_infer") / KERNELS


def _decided_by(config: CfgNode) -> dict[str, Any]:
    """Returns what decides the kernels: when it changes, they are chosen again."""
    return {
        "torch": torch.__version__,
        "rtseg_qat": __version__,
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "vnni": has_vnni(),
        "exact_int8_kernels": available(),
        "made_from": dict(origin_of(run_of(config), "int_infer").values),
    }


def _picture(config: CfgNode, example: Tensor) -> Tensor:
    """Returns the calibration's first picture; `example` where there is none of its size."""
    try:
        dataset = build_dataset(data_spec(config), "train", inference_transform(config))
        first = dataset[evenly_spaced(len(dataset), config.QUANT.CALIB_IMAGES)[0]]["image"]
        picture = network_input(first[None], config.DATASET.MEAN, config.DATASET.STD, fit_of(config))
    except UserError as error:
        log.info("int8 layers are compared on noise: %s", error)
        return example
    return picture if picture.shape == example.shape else example
