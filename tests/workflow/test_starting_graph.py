"""The graph that fine-tuning starts from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from yacs.config import CfgNode

import qat
from qat.backends.fx import float_view
from qat.config import load_config
from qat.training.initial_graph import Start
from qat.workflow.calibration import calibrate
from qat.workflow.fine_tuning import starting_graph
from qat.workflow.load import example_input, load_float, load_plain
from tests.networks import TINY, TinyNet, registered


@torch.no_grad()
def spoilt(classes: int) -> TinyNet:
    """The same function with bad scales: each channel is made up to 2**4 larger or smaller, and read accordingly."""
    torch.manual_seed(0)
    network = TinyNet(classes, aux=False)
    factors = 2.0 ** torch.linspace(-4, 4, 8)
    network.body[1].weight.mul_(factors)
    network.body[1].bias.add_(0.1).mul_(factors)
    network.final_layer.weight.div_(factors.view(1, -1, 1, 1))
    return network


@pytest.fixture(scope="module")
def cfg(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CfgNode]:
    """The spoilt network, calibrated with min_max."""
    folder = tmp_path_factory.mktemp("start")
    save_file(spoilt(classes=19).state_dict(), folder / "spoilt.safetensors")
    values = {
        "MODEL.NAME": TINY.name,
        "OUTPUT_DIR": folder / "output",
        "TEST.MODEL_FILE": folder / "spoilt.safetensors",
        "DATASET.ROOT": folder / "data",
        "DATASET.STREETS_TRAIN": 4,
        "DATASET.STREETS_VAL": 1,
        "QUANT.OBSERVER": "min_max",
        "QUANT.CALIB_IMAGES": 4,
        "WORKERS": 0,
    }
    with registered(TINY):
        config = load_config("streets/pidnet_s", [str(part) for pair in values.items() for part in pair])
        calibrate(config)
        yield config


@torch.no_grad()
def sqnr(network: Any, reference: Any, x: Tensor) -> float:
    expected = reference(x)
    return float(10 * torch.log10(expected.square().sum() / (network(x) - expected).square().sum()))


def test_equalising_starts_nearer_to_float(cfg: CfgNode) -> None:
    plain, equalised = (starting_graph(cfg, Start(True, on, ("", "")), write=True) for on in (False, True))
    floating, x = load_float(cfg), example_input(cfg)
    poor, good = (sqnr(qat.fake_quantized(graph), floating, x) for graph in (plain, equalised))
    assert good > poor + 6


def test_float_is_equalised_as_the_start_is(cfg: CfgNode) -> None:
    """So that layers of stage qat can be compared with float's one by one."""
    path = Path(cfg.OUTPUT_DIR) / "streets" / cfg.NAME / "qat" / "equalised.ckpt"
    started = starting_graph(cfg, Start(True, True, ("", "")), write=True)
    theirs = load_plain(cfg, "qat").state_dict()
    weights = [name for name, _ in started.named_parameters()]
    assert all(torch.equal(started.state_dict()[name], theirs[name]) for name in weights)
    assert sqnr(float_view(load_plain(cfg, "qat")), load_float(cfg), example_input(cfg)) > 80
    ours = load_plain(cfg).state_dict()
    assert any(not torch.equal(ours[name], theirs[name]) for name in weights)
    starting_graph(cfg, Start(True, False, ("", "")), write=True)
    assert not path.exists()
