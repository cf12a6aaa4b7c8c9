"""The peers' int8 models of the same network, calibrated on the same pictures."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor
from yacs.config import CfgNode

from qat.data import build_dataset, evenly_spaced
from qat.data.transforms import InferenceTransform, normalise
from qat.workflow.data import data_spec

log = logging.getLogger(__name__)
Pictures = list[dict[str, np.ndarray]]


def calibration_pictures(cfg: CfgNode) -> list[Tensor]:
    """QUANT.CALIB_IMAGES of the training list, as calibration takes them."""
    dataset = build_dataset(data_spec(cfg), "train", InferenceTransform())
    indices = evenly_spaced(len(dataset), cfg.QUANT.CALIB_IMAGES)
    images = (dataset[index]["image"][None] for index in indices)
    return [normalise(image, cfg.DATASET.MEAN, cfg.DATASET.STD).contiguous() for image in images]


def nncf_model(folder: Path, pictures: Pictures) -> Path:
    """NNCF's preset PERFORMANCE, in OpenVINO's own format."""
    import nncf
    import openvino

    model = openvino.Core().read_model(folder / "float.onnx")
    start = time.perf_counter()
    dataset = nncf.Dataset([picture["image"] for picture in pictures])
    quantised = nncf.quantize(model, dataset, subset_size=len(pictures), preset=nncf.QuantizationPreset.PERFORMANCE)
    log.info("NNCF: %.1f s", time.perf_counter() - start)
    openvino.save_model(quantised, folder / "nncf.xml", compress_to_fp16=False)
    return folder / "nncf.xml"


def static_model(folder: Path, pictures: Pictures, kind: str) -> Path:
    """ONNX Runtime's quantize_static: QDQ, per channel, min-max; u8, or s8 symmetric."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):
        """The pictures one by one."""

        def __init__(self) -> None:
            self.rest = iter(pictures)

        def get_next(self) -> dict[str, np.ndarray] | None:
            """The next one, None at the end."""
            return next(self.rest, None)

    quant_pre_process(folder / "float.onnx", folder / "prepared.onnx")
    options: dict[str, Any] = {"quant_format": QuantFormat.QDQ, "per_channel": True, "weight_type": QuantType.QInt8}
    options["activation_type"] = QuantType.QUInt8 if kind == "u8" else QuantType.QInt8
    options["extra_options"] = {} if kind == "u8" else {"ActivationSymmetric": True}
    quantize_static(folder / "prepared.onnx", folder / f"{kind}.onnx", Reader(), **options)
    return folder / f"{kind}.onnx"
