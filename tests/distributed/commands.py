"""Commands on a tiny network, in this process or, as torchrun starts it, in the group of several."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from yacs.config import CfgNode

from qat.config import load_config
from qat.distributed import Ended, joined
from qat.ptq.adaround import moments
from qat.ptq.adaround import run as adaround
from qat.workflow import calibrate, debug, evaluate, infer
from tests.networks import TINY, registered, tiny_weights
from tests.workflow.dots import DESCRIPTOR, write_pictures

CALIBRATIONS = {
    "percentile": ("QUANT.OBSERVER", "percentile", "QUANT.CALIB_BATCH_SIZE", "2"),
    "tuned": ("QUANT.OBSERVER", "auto", "QUANT.EQUALISE", "True", "QUANT.ADAROUND", "True"),
    "mixed": ("QUANT.OBSERVER", "kl", "QUANT.BIAS_CORRECTION", "True", "QUANT.MAX_DROP", "0.001"),
}


def prepare_data(folder: Path) -> None:
    """The network's checkpoint and the pictures, once for all runs."""
    write_pictures(folder / "data", train=7, val=4)
    (folder / "data" / "dots.yaml").write_text(DESCRIPTOR)
    tiny_weights(folder / "tiny.safetensors", num_classes=2)


def config_of(folder: Path, output: Path, name: str) -> CfgNode:
    """A calibration's config."""
    values = {
        "NAME": name,
        "MODEL.NAME": TINY.name,
        "TEST.MODEL_FILE": folder / "tiny.safetensors",
        "TEST.IMAGE_SIZE": "128,64",
        "DATASET.DATASET": folder / "data" / "dots.yaml",
        "OUTPUT_DIR": output,
        "DEVICE": "cpu",
        "WORKERS": 0,
        "QUANT.CALIB_IMAGES": 5,
        "QUANT.HELD_OUT_IMAGES": 1,
        "QUANT.SAVE_EVERY": 1,
        "DEBUG.IMAGES": 4,
        "DEBUG.SENSITIVITY_IMAGES": 2,
    }
    return load_config(None, [*(str(part) for pair in values.items() for part in pair), *CALIBRATIONS[name]])


def run(folder: Path, output: Path) -> None:
    """Every calibration, two stages' evaluations, and overlays."""
    for name in CALIBRATIONS:
        calibrate(config_of(folder, output, name))
    for stage in ("calib", "int_infer"):
        evaluate(config_of(folder, output, "percentile"), stage=stage)
    debug(config_of(folder, output, "percentile"))
    infer(config_of(folder, output, "percentile"), source=folder / "data" / "images", stage="calib")


@contextmanager
def small() -> Iterator[None]:
    """The tiny network, and blocks of two batches, so that five pictures are several."""
    with registered(TINY), pytest.MonkeyPatch.context() as patch:
        patch.setattr(moments, "BATCHES", 2)
        patch.setattr(adaround, "BATCHES", 2)
        yield


def main(folder: Path, output: Path) -> int:
    """In the first of several processes; the others help."""
    with small():
        try:
            with joined() as group:
                if group.main:
                    run(folder, output)
                else:
                    group.serve()
        except Ended as end:
            return end.code
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
