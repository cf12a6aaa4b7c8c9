"""Our artefacts beside the peers': same network, same calibration pictures, one process, timed in turn."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from yacs.config import CfgNode

from qat.compile.perf.timing import Failure, Timing, measure
from qat.config import with_values
from qat.data import build_dataset, data_loader, evenly_spaced
from qat.data.transforms import Normaliser, network_input
from qat.deploy.sessions.openvino import core
from qat.evaluation import Result
from qat.evaluation import evaluate as score
from qat.files import scratch_folder
from qat.runtimes import Session, get_runtime
from qat.runtimes.optional import require
from qat.workflow.artefact import find_artefact
from qat.workflow.load import example_input, load_float, load_stage
from qat.workflow.measuring import evaluated_names
from qat.workflow.progress import Progress, counter, silent
from qat.workflow.settings import data_spec, fit_of, inference_transform

log = logging.getLogger(__name__)
Key = tuple[str, str]  # a form of the network, runtime
Pictures = list[dict[str, np.ndarray]]

NNCF = "NNCF PERFORMANCE"
STATIC = "quantize_static {}"
PEERS = {"openvino": NNCF, "ort": STATIC.format("u8")}  # what ours is held against


@dataclass(frozen=True)
class PeerForm:
    """One form of the network in one runtime: its speed, and its accuracy over the val list.

    The times are None where it failed; `of_peer`: its median over that of the peer in the same runtime.
    """

    form: str
    runtime: str
    median_ms: float | None
    p90_ms: float | None
    of_peer: float | None
    accuracy: Result


def bench_peers(config: CfgNode, progress: Progress = silent, *, rounds: int = 20) -> tuple[PeerForm, ...]:
    """Time and score our best artefacts for ONNX Runtime and OpenVINO, and the int8 models that the peers make.

    Args:
        config: the run's config; its compile folder must exist.
        progress: called for each form with the pictures done, the number of pictures, and a text.
        rounds: timed rounds of each form.

    Returns:
        One row each: ours in both runtimes, NNCF's preset PERFORMANCE in OpenVINO, quantize_static's u8 and s8 in ONNX
        Runtime.

    Raises:
        UserError: if NNCF, a runtime or the compile folder is missing.
    """
    require("nncf", "pip install nncf (it isn't part of this project's extras)")
    with scratch_folder() as folder:
        sessions = _ours(config) | _peers(config, folder)
        times = measure(sessions, example_input(config).contiguous().numpy(), rounds, 3)
        scores = {key: _accuracy(config, key, session, progress) for key, session in sessions.items()}
    return tuple(_form(key, times, result) for key, result in scores.items())


def _form(key: Key, times: Mapping[Key, Timing | Failure], accuracy: Result) -> PeerForm:
    timing, peer = times[key], times[PEERS[key[1]], key[1]]
    if isinstance(timing, Failure):
        log.warning("%s in %s: %s", *key, timing.reason)
        return PeerForm(*key, None, None, None, accuracy)
    share = timing.median_ms / peer.median_ms if isinstance(peer, Timing) else None
    return PeerForm(*key, timing.median_ms, timing.p90_ms, share, accuracy)


def _ours(config: CfgNode) -> dict[Key, Session]:
    """Loads our best artefact of each of the two runtimes."""
    sessions: dict[Key, Session] = {}
    for name in PEERS:
        path = find_artefact(with_values(config, {"COMPILE.RUNTIME": name, "COMPILE.ARTEFACT": ""})).path
        sessions[f"ours, {path.name}", name] = get_runtime(name).load(path, torch.get_num_threads())
    return sessions


def _peers(config: CfgNode, folder: Path) -> dict[Key, Session]:
    """NNCF's model in OpenVINO and quantize_static's in ONNX Runtime, calibrated on the pictures that we used."""
    pictures = [{"image": picture.numpy()} for picture in _calibration_pictures(config)]
    network, example = load_float(config), example_input(config).contiguous()
    names: dict[str, Any] = {"input_names": ["image"], "output_names": ["logits"], "opset_version": 17}
    torch.onnx.export(network, (example,), str(folder / "float.onnx"), dynamo=False, **names)
    files = {(NNCF, "openvino"): _nncf_model(folder, pictures)}
    for kind in ("u8", "s8"):
        files[STATIC.format(kind), "ort"] = _static_model(folder, pictures, kind)
    return {key: get_runtime(key[1]).load(path, torch.get_num_threads()) for key, path in files.items()}


def _calibration_pictures(config: CfgNode) -> list[Tensor]:
    """Returns the calibration's pictures: QUANT.CALIB_IMAGES of the training list, normalised."""
    data, dataset = config.DATASET, build_dataset(data_spec(config), "train", inference_transform(config))
    indices = evenly_spaced(len(dataset), config.QUANT.CALIB_IMAGES)
    images = (dataset[index]["image"][None] for index in indices)
    return [network_input(image, data.MEAN, data.STD, fit_of(config)).contiguous() for image in images]


def _nncf_model(folder: Path, pictures: Pictures) -> Path:
    """Quantises with NNCF's preset PERFORMANCE and writes OpenVINO's own format."""
    import nncf
    import openvino

    model = core().read_model(folder / "float.onnx")
    start = time.perf_counter()
    dataset = nncf.Dataset([picture["image"] for picture in pictures])
    quantised = nncf.quantize(model, dataset, subset_size=len(pictures), preset=nncf.QuantizationPreset.PERFORMANCE)
    log.info("NNCF: %.1f s", time.perf_counter() - start)
    openvino.save_model(quantised, folder / "nncf.xml", compress_to_fp16=False)
    return folder / "nncf.xml"


def _static_model(folder: Path, pictures: Pictures, kind: str) -> Path:
    """ONNX Runtime's quantize_static: QDQ, per channel, min-max; u8, or s8 symmetric."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):  # type: ignore[misc, unused-ignore]
        """The pictures one by one."""

        def __init__(self) -> None:
            self.remaining = iter(pictures)

        def get_next(self) -> dict[str, np.ndarray] | None:
            """The next one, None at the end."""
            return next(self.remaining, None)

    quant_pre_process(folder / "float.onnx", folder / "prepared.onnx")
    options: dict[str, Any] = {"quant_format": QuantFormat.QDQ, "per_channel": True, "weight_type": QuantType.QInt8}
    options["activation_type"] = QuantType.QUInt8 if kind == "u8" else QuantType.QInt8
    options["extra_options"] = {} if kind == "u8" else {"ActivationSymmetric": True}
    quantize_static(folder / "prepared.onnx", folder / f"{kind}.onnx", Reader(), **options)
    return folder / f"{kind}.onnx"


def _accuracy(config: CfgNode, key: Key, session: Session, progress: Progress) -> Result:
    """Scores a session over the val list, with its distance from float."""
    dataset = build_dataset(data_spec(config), "val", inference_transform(config))
    names = evaluated_names(config, dataset)
    network = load_stage(config, "float")
    advance = counter(progress, len(names), ", ".join(key))

    def run(x: Tensor) -> Tensor:
        return torch.from_numpy(np.array(session.run(x.contiguous().numpy())))

    return score(
        run,
        data_loader(dataset, 1, config.WORKERS, indices=range(len(names))),
        config.DATASET.NUM_CLASSES,
        to_input=Normaliser(config.DATASET.MEAN, config.DATASET.STD, fit=fit_of(config)),
        align_corners=config.MODEL.ALIGN_CORNERS,
        fit=fit_of(config),
        reference=lambda _, x: network(x),
        progress=lambda count, _: advance(count),
    )
