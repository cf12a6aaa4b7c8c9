from __future__ import annotations

from dataclasses import replace

import torch

from qat.compile.onnx.io_spec import IOSpec
from qat.compile.verify.stage_outputs import JITTER, jittered, stage_outputs
from tests.compile import blocks


def test_the_stages_go_through_the_artefacts_head() -> None:
    network, pictures = blocks.network(), blocks.pictures()
    smaller = [replace(picture, size=(2 * blocks.HEIGHT, 2 * blocks.WIDTH)) for picture in pictures]
    by_class = stage_outputs(network, network.converted, smaller, IOSpec(result="argmax"), 3).floating[0]
    assert torch.equal(by_class[:, ::2, ::2].repeat_interleave(2, 1).repeat_interleave(2, 2), by_class)
    assert not torch.equal(stage_outputs(network, network.converted, smaller, IOSpec(), 3).floating[0], by_class)


def test_jitter_moves_few_roundings_always_the_same_and_leaves_no_trace() -> None:
    network, x = blocks.network(), torch.randn(1, 3, 128, 128, generator=torch.Generator().manual_seed(3))
    before = network.calib(x)
    with jittered(network.calib):
        moved = network.calib(x)
    with jittered(network.calib):
        again = network.calib(x)
    assert torch.equal(moved, again)
    assert torch.equal(network.calib(x), before)
    assert 0 < float((moved != before).float().mean()) < 20 * JITTER
