"""The graph that fine-tuning starts from."""

from __future__ import annotations

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
from qat.workflow.finetune import starting_graph
from qat.workflow.load import example_input, load_float, load_plain
from tests.accuracy.runs import ROOT, in_process
from tests.ptq.rescaling import rescale

STREETS = ROOT / "configs" / "streets" / "pidnet_s.yaml"


@pytest.fixture(scope="module")
def cfg(tmp_path_factory: pytest.TempPathFactory) -> CfgNode:
    """The street network, its channels spoilt, calibrated with min_max."""
    folder = tmp_path_factory.mktemp("start")
    spoilt = rescale(load_float(load_config(STREETS)), seed=0, power=4)
    save_file(spoilt.state_dict(), folder / "spoilt.safetensors")
    values = {
        "OUTPUT_DIR": folder / "output",
        "TEST.MODEL_FILE": folder / "spoilt.safetensors",
        "DATASET.ROOT": folder / "data",
        "DATASET.STREETS_TRAIN": 4,
        "DATASET.STREETS_VAL": 1,
        "QUANT.OBSERVER": "min_max",
        "QUANT.CALIB_IMAGES": 4,
        "WORKERS": 0,
    }
    options = [str(part) for pair in values.items() for part in pair]
    in_process("calib", "-c", str(STREETS), *options)
    return load_config(STREETS, options)


@torch.no_grad()
def sqnr(network: Any, reference: Any, x: Tensor) -> float:
    expected = reference(x)
    return float(10 * torch.log10(expected.square().sum() / (network(x) - expected).square().sum()))


def picture() -> Tensor:
    return example_input(load_config(STREETS))


def test_equalising_starts_nearer_to_float(cfg: CfgNode) -> None:
    plain, equalised = (starting_graph(cfg, Start(True, on, ("", "")), write=True) for on in (False, True))
    floating, x = load_float(cfg), picture()
    poor, good = (sqnr(qat.fake_quantized(graph), floating, x) for graph in (plain, equalised))
    assert good > poor + 6


def test_float_is_equalised_as_the_start_is(cfg: CfgNode) -> None:
    """So that layers of stage qat can be compared with float's one by one."""
    path = Path(cfg.OUTPUT_DIR) / "streets" / cfg.NAME / "qat" / "equalised.ckpt"
    started = starting_graph(cfg, Start(True, True, ("", "")), write=True)
    theirs = load_plain(cfg, "qat").state_dict()
    weights = [name for name, _ in started.named_parameters()]
    assert all(torch.equal(started.state_dict()[name], theirs[name]) for name in weights)
    assert sqnr(float_view(load_plain(cfg, "qat")), load_float(cfg), picture()) > 80
    ours = load_plain(cfg).state_dict()
    assert any(not torch.equal(ours[name], theirs[name]) for name in weights)
    starting_graph(cfg, Start(True, False, ("", "")), write=True)
    assert not path.exists()
