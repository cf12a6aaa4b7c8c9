"""Sizes that aren't multiples: where pictures are padded and scaled, and where their classes come from."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import interpolate

from qat.data.fit import Fit, letterboxed, padded, padded_pixels, picture_size
from qat.data.transforms import Normaliser, artefact_input, network_input, normalise
from qat.evaluation import upsample_argmax

MEAN, STD = (0.5, 0.4, 0.3), (0.25, 0.2, 0.3)
PAD, RESIZE = Fit("pad", 8), Fit("resize", 8)
SIDES = st.integers(1, 300)


def images(height: int = 50, width: int = 70) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (2, height, width, 3), generator=generator, dtype=torch.uint8)


@given(height=SIDES, width=SIDES, multiple=st.integers(1, 64), mode=st.sampled_from(["pad", "resize"]))
def test_the_network_s_size_is_the_next_multiple(height: int, width: int, multiple: int, mode: str) -> None:
    fit = Fit(mode, multiple)
    network = fit.network_size((height, width))
    for side, whole in zip((height, width), network, strict=True):
        assert whole % multiple == 0
        assert side <= whole < side + multiple
    assert fit.canvas((height, width)) == (network if mode == "pad" else (height, width))


@given(height=SIDES, width=SIDES, other=st.tuples(SIDES, SIDES))
def test_a_picture_of_another_size_lies_within_its_canvas(height: int, width: int, other: tuple[int, int]) -> None:
    canvas = Fit("pad", 8, (height, width)).canvas(other)
    assert canvas[0] >= other[0]
    assert canvas[1] >= other[1]


def test_zeros_are_added_at_the_right_and_bottom() -> None:
    x = network_input(images(), MEAN, STD, PAD)
    assert x.shape == (2, 3, 56, 72)
    assert x.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(x[..., :50, :70], normalise(images(), MEAN, STD))
    assert not x[..., 50:, :].any()
    assert not x[..., 70:].any()


def test_resized_pictures_fill_the_network_s_size() -> None:
    x = network_input(images(), MEAN, STD, RESIZE)
    assert x.shape == (2, 3, 56, 72)
    assert x[..., 50:, :].any()


@pytest.mark.parametrize("fit", [PAD, RESIZE])
def test_a_size_that_divides_is_left_as_it_is(fit: Fit) -> None:
    given, plain = images(48, 72), normalise(images(48, 72), MEAN, STD)
    assert fit.scaled(given) is given
    assert fit.padded(plain) is plain
    assert torch.equal(Normaliser(MEAN, STD, fit=fit)(given), plain)
    assert fit.record((48, 72)) == {}


def test_the_normaliser_s_buffer_serves_pictures_that_are_padded() -> None:
    normaliser = Normaliser(MEAN, STD, fit=PAD)
    first = normaliser(images()).clone()
    normaliser(255 - images())
    assert torch.equal(normaliser(images()), first)


def test_raw_pixels_are_padded_with_the_mean_colour() -> None:
    whole = padded_pixels(images(), (56, 72), MEAN)
    assert torch.equal(whole[:, :50, :70], images())
    assert whole[0, 55, 71].tolist() == whole[1, 0, 70].tolist() == [128, 102, 76]
    assert normalise(whole, MEAN, STD)[..., 70:].abs().max() <= 0.5 / 255 / min(STD) + 1e-6


@pytest.mark.parametrize("kind", [{"type": "float"}, {"type": "uint8"}, {"source": "pyramid"}])
@pytest.mark.parametrize("fit", [PAD, RESIZE])
def test_the_manifest_says_what_an_artefact_takes(fit: Fit, kind: dict[str, str]) -> None:
    spec = {"height": 56, "width": 72, **kind, **fit.record((50, 70))}
    assert picture_size(spec) == ((50, 70) if fit.mode == "pad" else (56, 72))
    x = artefact_input(spec, MEAN, STD)(images())
    assert x.shape == (2, 3, 56, 72)
    if kind == {"type": "float"}:
        assert torch.equal(x, network_input(images(), MEAN, STD, fit))


@pytest.mark.parametrize("size", [(48, 72), (50, 70)])
def test_a_letterboxed_picture_is_the_same_for_stages_and_files(size: tuple[int, int]) -> None:
    fit, given = Fit("letterbox", 8, size), images(31, 90)
    spec = {"height": fit.network_size(size)[0], "width": 72, "type": "float", **fit.record(size)}
    x = network_input(given, MEAN, STD, fit)
    assert torch.equal(artefact_input(spec, MEAN, STD)(given), x)
    alone = letterboxed(given, size)
    assert torch.equal(artefact_input(spec, MEAN, STD)(alone), x)
    assert (alone[:, :8] == 114).all()
    assert (fit.within((31, 90)), PAD.within((31, 90))) == (size, (31, 90))


@pytest.mark.parametrize("size", [(48, 72), (50, 70)])
def test_a_picture_of_the_size_is_letterboxed_as_it_is_padded(size: tuple[int, int]) -> None:
    boxed, plain = (network_input(images(*size), MEAN, STD, Fit(mode, 8, size)) for mode in ("letterbox", "pad"))
    assert torch.equal(boxed, plain)
    assert letterboxed(given := images(*size), size) is given


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("stride", [1, 2, 8])
def test_the_classes_of_a_padded_picture_are_cut_from_the_padded_size(stride: int, align_corners: bool) -> None:
    logits = torch.randn(1, 4, 56 // stride, 72 // stride, generator=torch.Generator().manual_seed(1))
    manual = interpolate(logits, (56, 72), mode="bilinear", align_corners=align_corners).argmax(1)[:, :50, :70]
    found = upsample_argmax(logits, (50, 70), align_corners, PAD.canvas((50, 70)))
    assert torch.equal(found.long(), manual)


def test_nothing_is_padded_where_nothing_is_missing() -> None:
    x = torch.ones(1, 3, 8, 8)
    assert padded(x, (8, 8)) is x
