"""hb_mapper's folder holds the float network, pictures as it reads them, and a configuration that fits both."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import yaml
from torch import Tensor, nn

import qat
from qat.compile.onnx.writer import Form, to_onnx
from qat.handover.hb_mapper import MapperSpec, write_mapper_folder
from qat.program.lower import program_of
from qat.program.steps import Program
from tests.compile.operations import OPERATIONS, Operation, title
from tests.compile.small import of, run, torch_says
from tests.handover.small import MEAN, STD, float_network, network_input, pixels
from tests.networks import pictures

SPEC = MapperSpec("small", "small", "bayes", "ddr", MEAN, STD, "O2")


def program(model: nn.Module, example: Tensor) -> Program:
    return program_of(qat.prepare(qat.rewrite(model, example, "j5", prove=False)), example, quantised=False)


def write(folder: Path, spec: MapperSpec = SPEC) -> Path:
    folder.mkdir()
    model, pictures = float_network(), pixels(3, (16, 32))
    example = network_input(pixels(1))
    assert write_mapper_folder(folder, spec, program(model, example), model, example, pictures) == 3
    return folder


def test_the_file_is_what_hb_mapper_reads(tmp_path: Path) -> None:
    model = onnx.load(write(tmp_path / "ptq") / "model.onnx")
    assert [entry.version for entry in model.opset_import] == [11]
    assert model.ir_version <= 7
    assert [value.name for value in model.graph.input] == ["image"]
    assert {node.op_type for node in model.graph.node}.isdisjoint({"QuantizeLinear", "DequantizeLinear"})


def test_calibration_data_with_the_yamls_mean_and_scale_are_the_networks_input(tmp_path: Path) -> None:
    """hb_mapper computes (x - mean) * scale of what it reads; ours is the table of the same pictures."""
    folder = write(tmp_path / "ptq")
    settings = yaml.safe_load((folder / "hb_mapper.yaml").read_text())
    given = settings["input_parameters"]
    shape = [int(side) for side in given["input_shape"].split("x")]
    assert settings["calibration_parameters"]["cal_data_type"] == "float32"
    assert given["norm_type"] == "data_mean_and_scale"
    mean, scale = (
        np.array([float(part) for part in given[key].split()], np.float32).reshape(1, 3, 1, 1)
        for key in ("mean_value", "scale_value")
    )
    files = sorted((folder / settings["calibration_parameters"]["cal_data_dir"]).iterdir())
    assert len(files) == 3
    for file, picture in zip(files, pixels(3, (16, 32)), strict=True):
        read = np.fromfile(file, np.float32).reshape(shape)
        assert np.array_equal(read[0].transpose(1, 2, 0), picture)
        expected = (picture / 255 - MEAN) / STD
        assert np.abs(((read - mean) * scale)[0].transpose(1, 2, 0) - expected).max() < 1e-5


@pytest.mark.parametrize(
    ("source", "march", "opt", "expected"),
    [("ddr", "bayes", "O2", ("rgb", "bayes", "O2")), ("pyramid", "bayes-e", "fast", ("nv12", "bayes-e", "O3"))],
)
def test_the_yaml_follows_the_run(
    tmp_path: Path, source: str, march: str, opt: str, expected: tuple[str, str, str]
) -> None:
    spec = MapperSpec("small", "small", march, source, MEAN, STD, opt)
    settings = yaml.safe_load((write(tmp_path / "ptq", spec) / "hb_mapper.yaml").read_text())
    given = settings["input_parameters"]
    assert (given["input_type_rt"], settings["model_parameters"]["march"]) == expected[:2]
    assert settings["compiler_parameters"]["optimize_level"] == expected[2]
    assert ("input_layout_rt" in given) == (source == "ddr")  # nv12 has one layout


def test_another_network_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ptq").mkdir()
    model, example = float_network(), network_input(pixels(1))
    steps = program(model, example)
    nn.init.zeros_(model.tail.weight)
    with pytest.raises(qat.UserError, match="computes something else than float"):
        write_mapper_folder(tmp_path / "ptq", SPEC, steps, model, example, [])


@pytest.mark.parametrize("operation", OPERATIONS, ids=title)
def test_operator_set_11_says_what_torch_says(operation: Operation) -> None:
    made, picture = of(operation), pictures(count=1, seed=5)[0]
    found = run(to_onnx(made.float_program, form=Form(11)), picture)
    np.testing.assert_allclose(found, torch_says(made.floating, picture), atol=1e-4)
