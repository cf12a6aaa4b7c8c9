"""Stage int_infer as torch.ao's kernels and as the program."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from yacs.config import CfgNode

from qat.compile.verify import tensors
from qat.config import load_config, with_values
from qat.errors import UserError
from qat.program.run import ProgramNetwork
from qat.workflow import calibrate, evaluate
from qat.workflow.load import load_stage
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


def test_it_needs_no_quantised_tensor_of_torch(config: CfgNode, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: object, **__: object) -> None:
        raise AssertionError("a quantised tensor of torch was made")

    for name in ("quantize_per_tensor", "quantize_per_channel", "_empty_affine_quantized"):
        monkeypatch.setattr(torch, name, gone)
    network = load_stage(config, "int_infer")
    assert isinstance(network.network, ProgramNetwork)
    width, height = config.TEST.IMAGE_SIZE
    assert network(torch.zeros(1, 3, height, width)).isfinite().all()


def test_a_step_that_departs_is_one_line(config: CfgNode, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = tensors.ProgramNetwork.tensors

    def off(self: ProgramNetwork, x: torch.Tensor) -> dict[str, torch.Tensor]:
        found = honest(self, x)
        name = next(step.name for step in self.program.steps if step.op == "conv2d" and step.quant)
        return found | {name: found[name] + 3 * self.program[name].quant.scale}  # type: ignore[union-attr]

    monkeypatch.setattr(tensors.ProgramNetwork, "tensors", off)
    with pytest.raises(UserError, match=r"departs from stage calib: .*conv2d, .*off by up to 3\.00 scale steps"):
        load_stage(config, "int_infer")
