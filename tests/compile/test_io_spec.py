"""Raw pixels in, and every head out: the file says what torch says between the same ends."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch
import torch.nn.functional as F
from onnx import ModelProto, TensorProto
from torch import Tensor

from qat.compile.io_wrapper import IOWrapper
from qat.compile.network import Network
from qat.compile.onnx.io_spec import IOSpec
from qat.compile.onnx.writer import Form, to_onnx
from tests.compile.small import SPELLINGS, block, run
from tests.networks import BLOCK

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SHAPES = {"logits": (1, 3, 8, 12), "upsampled": (1, 3, 16, 24), "argmax": (1, 16, 24)}


@pytest.fixture(scope="module")
def made() -> Network:
    return block()


@pytest.fixture(scope="module")
def pixels() -> Tensor:
    return torch.randint(0, 256, BLOCK, dtype=torch.uint8, generator=torch.Generator().manual_seed(5))


def normalised(pixels: Tensor) -> Tensor:
    return (pixels / 255 - torch.tensor(MEAN).view(1, 3, 1, 1)) / torch.tensor(STD).view(1, 3, 1, 1)


def output(model: ModelProto) -> tuple[str, int, tuple[int, ...]]:
    value = model.graph.output[0]
    tensor = value.type.tensor_type
    return value.name, tensor.elem_type, tuple(dim.dim_value for dim in tensor.shape.dim)


@pytest.mark.parametrize("source", ["float", "uint8"])
@pytest.mark.parametrize("result", SHAPES)
@pytest.mark.parametrize("corners", [True, False])
def test_float_file_is_the_ended_network(
    made: Network, pixels: Tensor, source: str, result: str, corners: bool
) -> None:
    io = IOSpec(source, result, MEAN, STD, corners)
    model = to_onnx(made.float_program, form=Form(io=io))
    image = pixels if source == "uint8" else normalised(pixels)
    with torch.no_grad():
        expected = IOWrapper(made.floating, io)(image).numpy()
    found = run(model, image)
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
    if result == "argmax":
        assert (found == expected).mean() > 0.99
    else:
        np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("result", SHAPES)
def test_names_types_and_shapes(made: Network, result: str, spelling: str) -> None:
    model = to_onnx(made.program, SPELLINGS[spelling], Form(io=IOSpec("uint8", result, MEAN, STD)))
    name, kind = ("classes", TensorProto.INT64) if result == "argmax" else ("logits", TensorProto.FLOAT)
    assert output(model) == (name, kind, SHAPES[result])
    image = model.graph.input[0]
    assert (image.name, image.type.tensor_type.elem_type) == ("image", TensorProto.UINT8)
    assert {node.domain for node in model.graph.node} == {""}  # no custom operation


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_int8_heads_are_those_of_its_own_logits(made: Network, pixels: Tensor, spelling: str) -> None:
    forms = {result: Form(io=IOSpec("uint8", result, MEAN, STD)) for result in SHAPES}
    files = {result: run(to_onnx(made.program, SPELLINGS[spelling], form), pixels) for result, form in forms.items()}
    full = F.interpolate(torch.from_numpy(files["logits"]), BLOCK[2:], mode="bilinear", align_corners=True)
    np.testing.assert_allclose(files["upsampled"], full, atol=1e-4)
    np.testing.assert_array_equal(files["argmax"], files["upsampled"].argmax(1))


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_raw_pixels_are_the_normalised_picture(made: Network, pixels: Tensor, spelling: str) -> None:
    """The same integers enter the network but for ties, which float32 breaks either way."""
    raw = run(to_onnx(made.program, SPELLINGS[spelling], Form(io=IOSpec("uint8", "logits", MEAN, STD))), pixels)
    given = run(to_onnx(made.program, SPELLINGS[spelling]), normalised(pixels))
    assert np.abs(raw - given).max() < 0.05 * np.abs(given).max()


def borders(of: np.ndarray) -> np.ndarray:
    """The outermost values of the first channel map."""
    return np.concatenate(
        [of[..., 0, :].ravel(), of[..., -1, :].ravel(), of[..., :, 0].ravel(), of[..., :, -1].ravel()]
    )


def test_borders_are_padded_with_the_mean_colour(made: Network, pixels: Tensor) -> None:
    """Folding mean and std into the first weights, as some converters do, pads with black instead."""
    stem = made.float_program.steps[1]
    program = replace(made.float_program, steps=made.float_program.steps[:2], outputs=(stem.name,))
    conv, bias = torch.from_numpy(stem.weight.values), torch.from_numpy(stem.weight.bias)
    right = F.relu(F.conv2d(normalised(pixels), conv, bias, stride=2, padding=1)).numpy()

    gain, shift = 1 / (255 * torch.tensor(STD)), -torch.tensor(MEAN) / torch.tensor(STD)
    folded_bias = bias + (conv * shift.view(1, 3, 1, 1)).sum((1, 2, 3))
    folded = F.relu(F.conv2d(pixels.float(), conv * gain.view(1, 3, 1, 1), folded_bias, stride=2, padding=1)).numpy()

    found = run(to_onnx(program, form=Form(io=IOSpec("uint8", "logits", MEAN, STD))), pixels)
    np.testing.assert_allclose(borders(found), borders(right), atol=1e-4)
    np.testing.assert_allclose(folded[..., 1:-1, 1:-1], right[..., 1:-1, 1:-1], atol=1e-3)
    assert np.abs(borders(folded) - borders(right)).max() > 0.1


@pytest.mark.parametrize("result", SHAPES)
def test_an_open_batch(made: Network, pixels: Tensor, result: str) -> None:
    form = Form(18, True, IOSpec("uint8", result, MEAN, STD))
    model = to_onnx(made.program, form=form)
    onnx.checker.check_model(model, full_check=True)
    batch = torch.cat([pixels, pixels.flip(3), pixels.flip(2)])
    singles = np.concatenate([run(model, one[None]) for one in batch])
    np.testing.assert_allclose(run(model, batch), singles, atol=1e-6)
