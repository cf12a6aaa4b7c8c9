"""What compile is given: sizes, settings, and the pictures that artefacts are compared on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from qat.compile.pipeline import AUTO
from qat.data import build_dataset
from qat.data.transforms import InferenceTransform
from qat.errors import UserError
from qat.stages import source_of
from qat.workflow.compilation import compile, compile_settings, parity_samples, size_of
from qat.workflow.run import run_of
from qat.workflow.settings import data_spec
from tests.compile import blocks
from tests.compile.unimportable import without


def test_the_size_is_height_width_or_the_tests() -> None:
    assert size_of(blocks.options(Path(), "COMPILE.INPUT_SIZE", "64,128")) == [128, 64]
    assert size_of(blocks.options(Path())) == [blocks.WIDTH, blocks.HEIGHT]


@pytest.mark.parametrize(
    ("key", "size", "graph"),
    [
        ("COMPILE.INPUT_SIZE", "64,100", [104, 64]),
        ("COMPILE.INPUT_SIZE", "3,64", [64, 8]),
        ("TEST.IMAGE_SIZE", "64,90", [64, 96]),
    ],
)
def test_a_size_that_the_network_cannot_divide_is_fitted(key: str, size: str, graph: list[int]) -> None:
    assert size_of(blocks.options(Path(), key, size)) == graph


@pytest.mark.parametrize("source", ["float", "uint8"])
def test_samples_are_padded_alike_for_the_stages_and_the_artefacts(source: str, tmp_path: Path) -> None:
    few = "DATASET.NUM_CLASSES 19 DATASET.LABELS auto DATASET.STREETS_TRAIN 1 DATASET.STREETS_VAL 1 COMPILE.INPUT"
    more = (source, "DATASET.ROOT", str(tmp_path), "COMPILE.INPUT_SIZE", "30,44")
    config = blocks.options(tmp_path, *few.split(), *more)
    (sample,) = parity_samples(config, build_dataset(data_spec(config), "val", InferenceTransform()))
    assert sample.image.shape == sample.normalised.shape == (1, 3, 32, 48)
    assert sample.canvas == (round(256 * 32 / 30), round(512 * 48 / 44))
    if source == "float":
        assert torch.equal(sample.image, sample.normalised)
        assert not sample.normalised[..., 44:].any()
    else:
        mean = [round(255 * part) for part in blocks.MEAN]
        assert (sample.image[0, :, 30:] == torch.tensor(mean).view(3, 1, 1)).all()
        assert sample.normalised[..., 30:, :].abs().max() <= 0.5 / 255 / min(blocks.STD) + 1e-6


def test_settings_are_what_the_section_says(tmp_path: Path) -> None:
    more = "COMPILE.OPSET 13 COMPILE.INPUT uint8 COMPILE.OUTPUT argmax COMPILE.DYNAMIC_BATCH True"
    config = blocks.options(tmp_path, *more.split(), "COMPILE.RUNTIMES", "['auto']")
    checkpoint = run_of(config).folders.checkpoint(source_of(run_of(config)))
    checkpoint.parent.mkdir(parents=True)
    checkpoint.write_bytes(b"calibration")
    settings = compile_settings(config)
    assert (settings.form.opset, settings.form.dynamic_batch) == (13, True)
    assert (settings.form.io.source, settings.form.io.result, settings.form.io.mean) == ("uint8", "argmax", blocks.MEAN)
    assert settings.runtimes == AUTO
    assert json.loads(settings.form.metadata["std"]) == list(blocks.STD)
    assert settings.form.metadata["network"] == "pidnet_s"
    assert len(settings.form.metadata["calibration_sha256"]) == 64


@pytest.mark.parametrize(("count", "expected"), [(0, 3), (2, 2), (9, 3)])
def test_pictures_are_spread_over_the_list(count: int, expected: int, tmp_path: Path) -> None:
    few = "DATASET.NUM_CLASSES 19 DATASET.LABELS auto DATASET.STREETS_TRAIN 1 DATASET.STREETS_VAL 3 COMPILE.INPUT uint8"
    more = ("DATASET.ROOT", str(tmp_path), "COMPILE.PARITY_IMAGES", str(count))
    config = blocks.options(tmp_path, *few.split(), *more)
    samples = parity_samples(config, build_dataset(data_spec(config), "val", InferenceTransform()))
    assert len({sample.name for sample in samples}) == expected
    for sample in samples:
        assert sample.normalised.shape == sample.image.shape == (1, 3, blocks.HEIGHT, blocks.WIDTH)
        assert (sample.normalised.dtype, sample.image.dtype) == (torch.float32, torch.uint8)
        assert sample.label is not None
        assert tuple(sample.label.shape) == sample.size == (256, 512)


def test_without_onnx_runtime_it_is_one_line_before_anything_is_read(tmp_path: Path) -> None:
    with without("onnxruntime"), pytest.raises(UserError, match=r"^onnxruntime is not installed; pip install"):
        compile(blocks.options(tmp_path, "COMPILE.RUNTIMES", "['torchscript']", "DATASET.ROOT", "nowhere"))
    assert not list(tmp_path.iterdir())
