"""Our artefacts beside the peers': the same network, the same calibration pictures, one process, timed in turn.

Needs NNCF (`pip install nncf`, beside the extra `runtimes`) and the compile folder of the config (`make compile`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import _cli
import _peers
import numpy as np
import torch
from _progress import progress_bar
from rich.console import Console
from rich.table import Table
from torch import Tensor
from yacs.config import CfgNode

from qat.compile.perf.timing import Failure, Timing, measure
from qat.data import build_dataset, data_loader
from qat.data.transforms import InferenceTransform, Normaliser
from qat.environment import environment
from qat.errors import UserError
from qat.evaluation import Result, evaluate
from qat.runtimes import Session, get_runtime
from qat.workflow import stages
from qat.workflow.artefact import find_artefact
from qat.workflow.data import data_spec

Key = tuple[str, str]


def main() -> None:
    parser = _cli.parser(__doc__)
    parser.add_argument("--rounds", type=int, default=20, help="timed rounds of each form (default: %(default)s)")
    args = parser.parse_intermixed_args()
    cfg = _cli.config(args)
    if find_spec("nncf") is None:
        raise UserError("NNCF is not installed; pip install nncf (it isn't part of this project's extras)")
    with tempfile.TemporaryDirectory() as folder:
        sessions = ours(cfg) | peers(cfg, Path(folder))
        example = stages.example_input(cfg).contiguous().numpy()
        times = measure(sessions, example, args.rounds, 3)
        scores = {key: accuracy(cfg, key, session) for key, session in sessions.items()}
    machine = environment()
    print(f"{machine['cpu']}, {machine['threads']} threads; {cfg.TEST.IMAGE_SIZE[0]}x{cfg.TEST.IMAGE_SIZE[1]}, batch 1")
    Console().print(table(times, scores))


def ours(cfg: CfgNode) -> dict[Key, Session]:
    """What each of the two runtimes runs best."""
    sessions: dict[Key, Session] = {}
    for name in ("openvino", "ort"):
        wanted = cfg.clone()
        wanted.defrost()
        wanted.COMPILE.RUNTIME = name
        path = find_artefact(wanted).path
        sessions[f"ours, {path.name}", name] = get_runtime(name).load(path, torch.get_num_threads())
    return sessions


def peers(cfg: CfgNode, folder: Path) -> dict[Key, Session]:
    """NNCF's model in OpenVINO and quantize_static's in ONNX Runtime, calibrated on the pictures that we used."""
    pictures = [{"image": picture.numpy()} for picture in _peers.calibration_pictures(cfg)]
    network, example = stages.load_float(cfg), stages.example_input(cfg).contiguous()
    names: dict[str, Any] = {"input_names": ["image"], "output_names": ["logits"], "opset_version": 17}
    torch.onnx.export(network, (example,), str(folder / "float.onnx"), dynamo=False, **names)
    made = {("NNCF PERFORMANCE", "openvino"): _peers.nncf_model(folder, pictures)}
    for kind in ("u8", "s8"):
        made[f"quantize_static {kind}", "ort"] = _peers.static_model(folder, pictures, kind)
    return {key: get_runtime(key[1]).load(path, torch.get_num_threads()) for key, path in made.items()}


def accuracy(cfg: CfgNode, key: Key, session: Session) -> Result:
    """Scores over the val list, and the distance from float."""
    dataset = build_dataset(data_spec(cfg), "val", InferenceTransform())
    names = dataset.names[: cfg.TEST.NUM_IMAGES or None]
    batches = data_loader(dataset, 1, cfg.WORKERS, indices=range(len(names)))
    network = stages.load_stage(cfg, "float")

    def run(x: Tensor) -> Tensor:
        return torch.from_numpy(np.array(session.run(x.contiguous().numpy())))

    with progress_bar(", ".join(key), len(names)) as advance:
        return evaluate(
            run,
            batches,
            cfg.DATASET.NUM_CLASSES,
            to_input=Normaliser(cfg.DATASET.MEAN, cfg.DATASET.STD),
            align_corners=cfg.MODEL.ALIGN_CORNERS,
            reference=lambda _, x: network(x),
            progress=lambda count, _: advance(count),
        )


def table(times: Mapping[Key, Timing | Failure], scores: Mapping[Key, Result]) -> Table:
    """One row a form; the ratio is against the peer in the same runtime."""
    base = {"openvino": times["NNCF PERFORMANCE", "openvino"], "ort": times["quantize_static u8", "ort"]}
    shown = Table("form", "runtime", "median ms", "p90 ms", "of peer's", "mIoU", "pixels changed", "SQNR")
    for key, timing in times.items():
        result, peer = scores[key], base[key[1]]
        cells = [timing.reason if isinstance(timing, Failure) else "", "", ""]
        if isinstance(timing, Timing) and isinstance(peer, Timing):
            cells = [f"{timing.median_ms:.1f}", f"{timing.p90_ms:.1f}", f"{timing.median_ms / peer.median_ms:.2f}x"]
        changed = f"{result.pixels_changed:.3%}"
        shown.add_row(*key, *cells, f"{result.scores.mean_iou:.4f}", changed, f"{result.logit_sqnr:.1f} dB")
    return shown


if __name__ == "__main__":
    _cli.run(main)
