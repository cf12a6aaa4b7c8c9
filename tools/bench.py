"""Speed, as ratios of things timed in turn in one process: forward passes, evaluation end to end, calibration."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial

import _cli
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor
from yacs.config import CfgNode

import configs
import datasets
from datasets.streets import write
from datasets.transforms import InferenceTransform, Normaliser
from qat import calibration, stages
from qat.backends import fx as fx_backend
from qat.backends.spec import QuantSpec
from qat.environment import environment
from qat.evaluation import LogitStore, evaluate
from qat.graph import Rewritten, rewrite
from qat.models import build_model


def main() -> None:
    parser = _cli.parser(__doc__)
    parser.add_argument("--rounds", type=int, default=15, help="timed rounds of each (default: %(default)s)")
    parser.add_argument("--images", type=int, default=32, help="pictures in calibration and evaluation")
    args = parser.parse_intermixed_args()
    cfg = _cli.config(args)
    machine = environment()
    print(f"{machine['cpu']}, {machine['threads']} threads, torch {machine['torch']}")
    print(f"{cfg.MODEL.NAME}, random weights, {cfg.TEST.IMAGE_SIZE[0]}x{cfg.TEST.IMAGE_SIZE[1]}")
    example = stages.example_input(cfg)
    network = build_model(cfg.MODEL.NAME, cfg.DATASET.NUM_CLASSES).eval()
    rewritten = rewrite(network, example, cfg.QUANT.TARGET)
    prepared, seconds = calibrated(rewritten, example, QuantSpec.from_cfg(cfg), args.images)
    print(f"calibration, {cfg.QUANT.OBSERVER}: {seconds:.1f} s for {args.images} pictures")
    int8 = fx_backend.convert(prepared)
    script = fx_backend.to_torchscript(int8, example)
    show(forwards(network, int8, script, example, args.rounds))
    print(end_to_end(cfg, script, args.images))


def calibrated(graph: Rewritten, example: Tensor, spec: QuantSpec, images: int) -> tuple[torch.fx.GraphModule, float]:
    """The graph calibrated on noise, and the seconds that observing and choosing the scales took."""
    prepared = fx_backend.prepare(graph, spec)
    start = time.perf_counter()
    calibration.calibrate(prepared, [example] * images)
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


def end_to_end(cfg: CfgNode, script: torch.nn.Module, images: int) -> str:
    """How much longer `make eval` takes than its forward passes alone, on generated pictures of TEST.IMAGE_SIZE."""
    with tempfile.TemporaryDirectory() as folder:
        write(f"{folder}/pictures", train=1, val=images, size=tuple(cfg.TEST.IMAGE_SIZE))
        options = ["DATASET.DATASET", "cityscapes", "DATASET.ROOT", f"{folder}/pictures", "DATASET.TEST_SET", "val"]
        dataset = datasets.build(configs.load(None, options), "val", InferenceTransform())
        store = LogitStore(f"{folder}/logits", key="bench")
        measured = partial(
            evaluate,
            script,
            num_classes=cfg.DATASET.NUM_CLASSES,
            to_input=Normaliser(cfg.DATASET.MEAN, cfg.DATASET.STD),
            align_corners=cfg.MODEL.ALIGN_CORNERS,
        )
        batches = datasets.loader(dataset, 1, cfg.WORKERS)
        measured(batches, record=store.write)  # stands for float's recorded logits
        store.finish()
        result = measured(batches, reference=store.read)
    ratio = result.seconds / result.forward_seconds
    return f"evaluation end to end / its forward: {ratio:.2f}x ({result.seconds / images * 1e3:.0f} ms a picture)"


if __name__ == "__main__":
    _cli.run(main)
