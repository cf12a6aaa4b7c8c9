"""Stage int_infer as torch.ao's kernels and as the program."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from yacs.config import CfgNode

from qat.config import load_config, with_values
from qat.errors import UserError
from qat.workflow import calibrate, evaluate
from qat.workflow.load import device
from tests.networks import TINY, registered, tiny_weights


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CfgNode]:
    """A calibrated run of the tiny network, whose int_infer is the program."""
    folder = tmp_path_factory.mktemp("program")
    values = {
        "MODEL.NAME": TINY.name,
        "TEST.MODEL_FILE": str(tiny_weights(folder / "tiny.safetensors", num_classes=19)),
        "OUTPUT_DIR": str(folder / "output"),
        "DATASET.ROOT": str(folder / "data"),
        "DATASET.STREETS_TRAIN": 2,
        "DATASET.STREETS_VAL": 2,
        "QUANT.CALIB_IMAGES": 1,
        "QUANT.OBSERVER": "min_max",
        "DEVICE": "cpu",
        "WORKERS": 0,
    }
    with registered(TINY):
        run = with_values(load_config("streets/pidnet_s"), values)
        calibrate(run)
        yield with_values(run, {"QUANT.ENGINE": "program"})


def test_the_program_scores_as_the_kernels_do(config: CfgNode) -> None:
    program = evaluate(config, stage="int_infer").stages["int_infer"]
    kernels = evaluate(with_values(config, {"QUANT.ENGINE": "auto"}), stage="int_infer").stages["int_infer"]
    assert program["mean_iou"] == pytest.approx(kernels["mean_iou"], abs=0.01)
    assert program["pixels_changed"] == pytest.approx(kernels["pixels_changed"], abs=0.01)


def test_a_device_that_holds_no_numbers_is_refused() -> None:
    with pytest.raises(UserError, match=r"DEVICE meta can't be used here"):
        device(load_config(None, ["DEVICE", "meta"]))
