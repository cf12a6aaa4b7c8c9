"""Adversarial: CamVid's network with the same function and scales spoilt by up to 2**6; equalisation brings it back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, fx, nn
from yacs.config import CfgNode

import qat
from qat.config import load_config
from qat.data import build_dataset, data_loader, evenly_spaced
from qat.data.transforms import InferenceTransform, Normaliser
from qat.evaluation.scorer import Score, Scorer
from qat.ptq.equalise import equalize
from qat.workflow.load import example_input, load_float
from qat.workflow.settings import data_spec
from tests.accuracy.runs import ROOT
from tests.ptq.rescaling import RESIDUAL, Stream, rescale

CHECKPOINT = ROOT.parent / "shared" / "pretrained" / "pidnet_s_camvid.pt"
MIN_MAX = qat.QuantSpec(observer="min_max", weight_observer="min_max")
SPOILT: dict[str, tuple[Stream, ...]] = {"inside blocks": (), "residual sums too": RESIDUAL}
EVERY = 6  # of the val pictures


@pytest.fixture(scope="module")
def cfg(camvid_root: Path) -> CfgNode:
    if not CHECKPOINT.is_file():
        pytest.skip(f"no CamVid checkpoint at {CHECKPOINT}")
    options = ["DATASET.ROOT", str(camvid_root), "TEST.MODEL_FILE", str(CHECKPOINT)]
    return load_config(ROOT / "configs" / "camvid" / "pidnet_s.yaml", options)


@pytest.fixture(scope="module")
def floating(cfg: CfgNode) -> nn.Module:
    return load_float(cfg)


@pytest.fixture(scope="module")
def scorer(cfg: CfgNode, floating: nn.Module) -> Scorer:
    val = build_dataset(data_spec(cfg), "val", InferenceTransform())
    batches = data_loader(val, 1, 0, indices=range(0, len(val), EVERY))
    return Scorer(
        floating, batches, cfg.DATASET.NUM_CLASSES, to_input=normaliser(cfg), align_corners=cfg.MODEL.ALIGN_CORNERS
    )


def normaliser(cfg: CfgNode) -> Normaliser:
    return Normaliser(cfg.DATASET.MEAN, cfg.DATASET.STD, torch.device("cpu"))


def pictures(cfg: CfgNode, count: int) -> Iterator[Tensor]:
    train = build_dataset(data_spec(cfg), "train", InferenceTransform())
    to_input = normaliser(cfg)
    for batch in data_loader(train, 1, 0, indices=evenly_spaced(len(train), count)):
        yield to_input(batch["image"])


def prepared(cfg: CfgNode, model: nn.Module) -> fx.GraphModule:
    return qat.prepare(qat.rewrite(model, example_input(cfg), "x86"), MIN_MAX)


def score(cfg: CfgNode, scorer: Scorer, graph: fx.GraphModule) -> Score:
    qat.calibrate(graph, pictures(cfg, 32))
    return scorer(qat.fake_quantized(graph))


@pytest.mark.parametrize("streams", SPOILT.values(), ids=SPOILT)
def test_equalisation_undoes_what_breaks_min_max(
    cfg: CfgNode, floating: nn.Module, scorer: Scorer, streams: tuple[Stream, ...]
) -> None:
    spoilt = rescale(floating, seed=0, residual=streams)
    unchanged = scorer(spoilt)
    truth = unchanged.main
    assert truth is not None
    assert unchanged.changed < 1e-4

    collapsed = score(cfg, scorer, prepared(cfg, spoilt))
    assert collapsed.main is not None
    assert collapsed.main < truth - 0.1

    graph = prepared(cfg, spoilt)
    equalize(graph, pictures(cfg, 16), example_input(cfg))
    saved = score(cfg, scorer, graph)
    assert saved.main is not None
    assert saved.main >= truth - 0.002
    assert saved.changed < 0.01
