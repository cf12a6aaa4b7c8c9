"""Small calibrated networks to look into."""

from __future__ import annotations

from dataclasses import replace

import torch

import qat
from qat.analysis.networks import Sample, Subject
from tests.networks import BLOCK, Block, pictures, shuffle_norms


def block(spec: qat.QuantSpec | None = None) -> Subject:
    """PIDNet's parts in small, calibrated on random pictures."""
    torch.manual_seed(3)
    model = shuffle_norms(Block()).eval()
    return subject(model, BLOCK, spec)


def subject(model: torch.nn.Module, shape: tuple[int, ...], spec: qat.QuantSpec | None = None) -> Subject:
    """`model` rewritten and calibrated on 64 random pictures."""
    examples = pictures(shape, 64)
    rewritten = qat.rewrite(model, examples[0], "x86")
    plain, prepared = (
        qat.prepare(rewritten, replace(spec or qat.QuantSpec(observer="mse"), allow_float=True)) for _ in range(2)
    )
    qat.calibrate(prepared, examples)
    return Subject(prepared, plain, examples[0])


def samples(shape: tuple[int, ...] = BLOCK, count: int = 2, labelled: bool = True, classes: int = 3) -> list[Sample]:
    """Random pictures that calibration didn't see, with random labels."""
    generator = torch.Generator().manual_seed(9)
    size = (shape[2], shape[3])
    labels = [torch.randint(classes, (1, *size), generator=generator).byte() for _ in range(count)]
    images = pictures(shape, count, seed=8)
    return [Sample(str(i), images[i], labels[i] if labelled else None, size) for i in range(count)]
