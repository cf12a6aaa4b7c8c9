"""Compile: write every artefact of the calibrated network, prove each against the stages, run it in every runtime."""

from __future__ import annotations

import logging

import _cli
from rich.console import Console
from yacs.config import CfgNode

import datasets
from datasets.transforms import InferenceTransform, normalise
from datasets.transforms.artefact import artefact_input, resized
from qat import stages
from qat.compile.build import compile_into
from qat.compile.folder import replaced_folder
from qat.compile.network import size_of
from qat.compile.perf import perf_table
from qat.compile.pictures import Picture
from qat.compile.table import faults, parity_table

log = logging.getLogger(__name__)


def main() -> None:
    cfg = _cli.config(_cli.parser(__doc__).parse_intermixed_args())
    folder = stages.stage_folder(cfg, "compile")
    dataset = datasets.build(cfg, "val", InferenceTransform())
    with replaced_folder(folder) as aside:
        done = compile_into(aside, cfg, pictures(cfg, dataset), datasets.class_set(cfg), log.info)
    console = Console()
    console.print(parity_table(done.parity))
    for line in faults(done.parity):
        print(line)
    if done.perf:
        console.print(perf_table(done.perf))
    log.info("compiled -> %s", folder)


def pictures(cfg: CfgNode, dataset: datasets.SegmentationDataset) -> list[Picture]:
    """COMPILE.PARITY_IMAGES of the val list, spread evenly."""
    size = size_of(cfg)
    to_artefact = artefact_input(cfg, size)
    found = []
    for index in datasets.spread(len(dataset), min(cfg.COMPILE.PARITY_IMAGES, len(dataset))):
        sample = dataset[index]
        images, label = sample["image"][None], sample.get("label")
        normalised = normalise(resized(images, size), cfg.DATASET.MEAN, cfg.DATASET.STD).contiguous()
        shape = tuple(images.shape[1:3])
        found.append(Picture(sample["name"], normalised, to_artefact(images), label, shape))
    return found


if __name__ == "__main__":
    _cli.run(main)
