"""Compile: write every artefact of the calibrated network, prove each against the stages, run it in every runtime."""

from __future__ import annotations

import logging
from pathlib import Path

import _cli
from rich.console import Console
from yacs.config import CfgNode

from qat.backends.horizon import HorizonBackend
from qat.compile import horizon_perf
from qat.compile.horizon import horizon_compile
from qat.compile.network import size_of
from qat.compile.perf import perf_table
from qat.compile.pipeline import compile_into
from qat.compile.table import faults, parity_table
from qat.compile.verify.samples import Picture
from qat.data import SegmentationDataset, build_dataset, class_set, evenly_spaced
from qat.data.transforms import InferenceTransform, normalise
from qat.data.transforms.artefact import artefact_input, resized
from qat.folders import replaced_folder
from qat.workflow import stages
from qat.workflow.data import data_spec
from qat.workflow.evaluate import announce
from qat.workflow.settings import backend_choice

log = logging.getLogger(__name__)
PIXELS = 16 * 480 * 360  # that all pictures of a comparison have together, unless the config says how many


def main() -> None:
    cfg = _cli.config(_cli.parser(__doc__).parse_intermixed_args())
    announce(cfg, "compiled")
    folder = stages.stage_folder(cfg, "compile")
    if isinstance(backend_choice(cfg).backend, HorizonBackend):
        Console().print(horizon_perf.table(horizon_compile(cfg, folder)))
    else:
        compile_here(cfg, folder)
    log.info("compiled -> %s", folder)


def compile_here(cfg: CfgNode, folder: Path) -> None:
    """The artefacts for this machine's runtimes."""
    size_of(cfg)  # before anything is read
    dataset = build_dataset(data_spec(cfg), "val", InferenceTransform())
    with replaced_folder(folder) as aside:
        done = compile_into(aside, cfg, pictures(cfg, dataset), class_set(data_spec(cfg)), log.info)
    console = Console()
    console.print(parity_table(done.parity))
    for line in faults(done.parity):
        print(line)
    if done.perf:
        console.print(perf_table(done.perf))


def pictures(cfg: CfgNode, dataset: SegmentationDataset) -> list[Picture]:
    """COMPILE.PARITY_IMAGES of the val list, spread evenly."""
    size = size_of(cfg)
    mean, std = cfg.DATASET.MEAN, cfg.DATASET.STD
    to_artefact = artefact_input({"width": size[0], "height": size[1], "type": cfg.COMPILE.INPUT}, mean, std)
    found = []
    count = cfg.COMPILE.PARITY_IMAGES or max(PIXELS // (size[0] * size[1]), 4)
    for index in evenly_spaced(len(dataset), min(count, len(dataset))):
        sample = dataset[index]
        images, label = sample["image"][None], sample.get("label")
        normalised = normalise(resized(images, size), mean, std).contiguous()
        shape = tuple(images.shape[1:3])
        found.append(Picture(sample["name"], normalised, to_artefact(images), label, shape))
    return found


if __name__ == "__main__":
    _cli.run(main)
