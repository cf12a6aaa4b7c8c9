"""Fine-tuning from a calibration made poor on purpose: the street network, its channels spoilt by up to 2**6."""

from __future__ import annotations

import json
from typing import Any

import pytest
from safetensors.torch import save_file

from qat.config import load_config
from qat.workflow.load import load_float
from tests.accuracy.runs import ROOT, tool
from tests.ptq.rescaling import RESIDUAL, rescale

STREETS = ROOT / "configs" / "streets" / "pidnet_s.yaml"
POOR = ["QUANT.OBSERVER", "min_max", "QUANT.WEIGHT_OBSERVER", "min_max", "QUANT.CALIB_IMAGES", "16"]


@pytest.fixture(scope="module")
def metrics(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Of each stage; two epochs of 64 pictures instead of 28."""
    folder = tmp_path_factory.mktemp("qat")
    spoilt = rescale(load_float(load_config(STREETS)), seed=0, power=6, residual=RESIDUAL)
    save_file(spoilt.state_dict(), folder / "spoilt.safetensors")
    where = {"OUTPUT_DIR": folder / "output", "LOG_DIR": folder / "log", "DATASET.ROOT": folder / "data"}
    paths = [str(part) for pair in where.items() for part in pair]
    common = ["-c", str(STREETS), *paths, *POOR, "TEST.MODEL_FILE", str(folder / "spoilt.safetensors")]
    short = ["QAT.END_EPOCH", "2", "QAT.EVAL_EVERY", "0"]
    for name, *more in (["eval", "--stage", "float"], ["calib"], ["eval", "--stage", "calib"]):
        tool(name, *more, *common)
    assert "channels are equalised first: calib fails QUANT.GATE" in tool("finetune", *common, *short)
    for stage in ("qat", "int_infer"):
        tool("eval", "--stage", stage, *common, *short)
    made = (folder / "output" / "streets" / "pidnet_s").glob("*/metrics.json")
    return {path.parent.name: json.loads(path.read_text()) for path in made}


def test_the_calibration_is_lost(metrics: dict[str, dict[str, Any]]) -> None:
    assert metrics["calib"]["mean_iou"] < 0.5 * metrics["float"]["mean_iou"]


@pytest.mark.parametrize("stage", ["qat", "int_infer"])
def test_fine_tuning_brings_it_back(metrics: dict[str, dict[str, Any]], stage: str) -> None:
    assert metrics[stage]["mean_iou"] >= metrics["float"]["mean_iou"] - 0.003
    assert metrics[stage]["pixels_changed"] < 0.008
