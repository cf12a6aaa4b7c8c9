"""Speed, as ratios of things timed in turn in one process: forward passes, evaluation end to end, calibration."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import _cli
import cv2
import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor
from yacs.config import CfgNode

from qat.backends import calibration
from qat.backends import fx as fx_backend
from qat.config import load_config
from qat.data import SegmentationDataset, build_dataset, data_loader
from qat.data.streets import render
from qat.data.transforms import InferenceTransform, Normaliser
from qat.environment import environment
from qat.errors import UserError
from qat.evaluation import LogitStore, evaluate
from qat.workflow import stages
from qat.workflow.data import data_spec


def main() -> None:
    parser = _cli.parser(__doc__)
    parser.add_argument("--rounds", type=int, default=15, help="timed rounds of each form (default: %(default)s)")
    parser.add_argument("--images", type=int, default=24, help="generated pictures (default: %(default)s)")
    args = parser.parse_intermixed_args()
    cfg = _cli.config(args)
    machine = environment()
    print(f"{machine['cpu']}, {machine['threads']} threads, torch {machine['torch']}")
    print(f"{cfg.MODEL.NAME} of {cfg.TEST.MODEL_FILE}, {cfg.TEST.IMAGE_SIZE[0]}x{cfg.TEST.IMAGE_SIZE[1]}")
    with tempfile.TemporaryDirectory() as folder:
        pictures = generated(cfg, folder, args.images)
        network, example = stages.load_float(cfg), stages.example_input(cfg)
        prepared, seconds = calibrated(cfg, pictures)
        print(f"calibration, {cfg.QUANT.OBSERVER}: {seconds:.1f} s for {args.images} pictures in memory")
        int8 = fx_backend.convert(prepared)
        script = fx_backend.to_torchscript(int8, example)
        show(forwards(network, int8, script, example, args.rounds))
        print(end_to_end(cfg, script, pictures, f"{folder}/logits"))


def generated(cfg: CfgNode, folder: str, images: int) -> SegmentationDataset:
    """Mosaics of street pictures, of TEST.IMAGE_SIZE, with Cityscapes' 19 classes."""
    options = ["DATASET.DATASET", "cityscapes", "DATASET.ROOT", f"{folder}/pictures", "DATASET.TEST_SET", "val"]
    spec = data_spec(load_config(None, options))
    if spec.num_classes != cfg.DATASET.NUM_CLASSES:
        raise UserError(f"the bench's pictures have 19 classes and DATASET.NUM_CLASSES is {cfg.DATASET.NUM_CLASSES}")
    for index in range(images):
        for kind, picture in zip(("leftImg8bit", "gtFine_labelIds"), mosaic(cfg.TEST.IMAGE_SIZE, index), strict=True):
            path = Path(folder, "pictures", kind.split("_")[0], "val", "mosaic", f"mosaic_{index:06}_000000_{kind}.png")
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), picture[..., ::-1] if picture.ndim == 3 else picture)
    return build_dataset(spec, "val", InferenceTransform())


def mosaic(size: list[int], index: int) -> list[np.ndarray]:
    """Picture (H, W, 3) and labelIds (H, W) of `size`: four 512x256 streets, repeated, so objects keep their size."""
    width, height = size
    tiles = [render([2, index, i]) for i in range(4)]
    rows = [[np.hstack([tiles[r][part], tiles[r + 1][part]]) for r in (0, 2)] for part in (0, 1)]
    blocks = [np.vstack(pair) for pair in rows]
    repeats = (-(-height // blocks[0].shape[0]), -(-width // blocks[0].shape[1]))
    return [np.tile(block, (*repeats, 1)[: block.ndim])[:height, :width] for block in blocks]


def calibrated(cfg: CfgNode, pictures: SegmentationDataset) -> tuple[torch.fx.GraphModule, float]:
    """The observed graph, and the seconds that observing and choosing the scales took."""
    prepared, _ = stages.load_prepared(cfg, prove=False)
    to_input = Normaliser(cfg.DATASET.MEAN, cfg.DATASET.STD)
    batches = [batch["image"] for batch in data_loader(pictures, 1, cfg.WORKERS)]
    start = time.perf_counter()
    calibration.calibrate(prepared, (to_input(batch) for batch in batches))
    calibration.qparams(prepared)
    return prepared, time.perf_counter() - start


def forwards(
    network: torch.nn.Module, int8: torch.nn.Module, script: torch.nn.Module, example: Tensor, rounds: int
) -> dict[str, list[float]]:
    """Seconds of each round of each form, taken in turn."""
    runs: dict[str, Callable[[], object]] = {
        "float eager": lambda: network(example.contiguous()),
        "float eager, channels_last": lambda: network(example),
        "int8 eager": lambda: int8(example),
        "int8 (int_infer)": lambda: script(example),
    }
    times: dict[str, list[float]] = {name: [] for name in runs}
    with torch.inference_mode():
        for _ in range(rounds + 3):
            for name, forward in runs.items():
                start = time.perf_counter()
                forward()
                times[name].append(time.perf_counter() - start)
    return {name: values[3:] for name, values in times.items()}


def show(times: dict[str, list[float]]) -> None:
    """Print medians, minima and the speed-up against float eager."""
    table = Table("forward", "median ms", "min ms", "float eager / this")
    base = statistics.median(times["float eager"])
    for name, values in times.items():
        median = statistics.median(values)
        table.add_row(name, f"{median * 1e3:.1f}", f"{min(values) * 1e3:.1f}", f"{base / median:.2f}x")
    Console().print(table)


def end_to_end(cfg: CfgNode, script: torch.nn.Module, pictures: SegmentationDataset, folder: str) -> str:
    """How much longer `make eval` takes than its forward passes alone."""
    store = LogitStore(folder, key="bench")
    measured = partial(
        evaluate,
        script,
        num_classes=cfg.DATASET.NUM_CLASSES,
        to_input=Normaliser(cfg.DATASET.MEAN, cfg.DATASET.STD),
        align_corners=cfg.MODEL.ALIGN_CORNERS,
    )
    batches = data_loader(pictures, 1, cfg.WORKERS)
    measured(batches, record=store.write)  # stands for float's recorded logits
    store.finish()
    result = measured(batches, reference=store.read)
    ratio = result.seconds / result.forward_seconds
    each = result.seconds / len(pictures) * 1e3
    return f"evaluation end to end / its forward: {ratio:.2f}x ({each:.0f} ms a picture)"


if __name__ == "__main__":
    _cli.run(main)
