"""A network that sees red, green and blue blocks, and pictures of blocks: what compiles in a second."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from yacs.config import CfgNode

import qat
from qat.compile.network import Network
from qat.compile.onnx.writer import Form
from qat.compile.pipeline import CompileSettings
from qat.compile.verify.samples import ParitySample
from qat.config import load_config
from qat.data.transforms import artefact_input, normalise
from tests.networks import Blocks

HEIGHT, WIDTH = 32, 48
MEAN, STD = (0.5, 0.4, 0.3), (0.25, 0.2, 0.3)


def options(output: Path, *more: str) -> CfgNode:
    """A config for the network."""
    fixed = "DATASET.NUM_CLASSES 3 DATASET.LABELS trainIds "
    fixed += f"DATASET.MEAN {list(MEAN)} DATASET.STD {list(STD)} TEST.IMAGE_SIZE {[WIDTH, HEIGHT]}"
    keys = fixed.replace(", ", ",").split()
    quick = [
        "COMPILE.RUNTIMES",
        "['ort']",
        "COMPILE.BENCH_ROUNDS",
        "0",
        "TEST.MODEL_FILE",
        "assets/pidnet_s_streets.safetensors",
    ]
    return load_config(None, [*keys, *quick, "OUTPUT_DIR", str(output), *more])


def settings(form: Form | None = None, runtimes: tuple[str, ...] = ("ort",)) -> CompileSettings:
    """What to compile: normalised pictures in, logits out, if `form` doesn't say otherwise."""
    return CompileSettings("blocks", form or Form(), 3, runtimes)


def images(count: int = 2) -> tuple[Tensor, Tensor]:
    """Pictures of blocks, uint8 (N, H, W, 3), and which colour each pixel has."""
    labels = torch.from_numpy(np.random.default_rng(0).integers(0, 3, (count, HEIGHT // 16, WIDTH // 16)))
    labels = labels.repeat_interleave(16, 1).repeat_interleave(16, 2)
    return (nn.functional.one_hot(labels, 3) * 200 + 20).to(torch.uint8), labels


def pictures(source: str = "float", labelled: bool = True) -> list[ParitySample]:
    """The same as an artefact takes them."""
    convert = artefact_input({"width": WIDTH, "height": HEIGHT, "type": source}, MEAN, STD)
    found = []
    for image, label in zip(*images(), strict=True):
        given = normalise(image[None], MEAN, STD).contiguous(), convert(image[None])
        found.append(ParitySample("blocks", *given, label.to(torch.uint8) if labelled else None, (HEIGHT, WIDTH)))
    return found


def network(sources: Sequence[ParitySample] | None = None) -> Network:
    """The network, calibrated."""
    inputs = [picture.normalised for picture in sources or pictures()]
    prepared = qat.prepare(qat.rewrite(Blocks().eval(), inputs[0], "x86"), qat.QuantSpec(observer="min_max"))
    qat.calibrate(prepared, inputs)
    return Network(prepared, inputs[0], prepared, Blocks().eval())
