"""Float ONNX becomes .mnn in every form; QDQ files and bad conversions are refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("MNN", reason="needs the extra: runtimes")
pytest.importorskip("onnxruntime", reason="needs the extra: runtimes")

from qat.deploy.sessions.captured import captured_output
from qat.errors import UserError
from qat.runtimes.adapter import Conversion
from qat.runtimes.artefact import Artefact, read_artefact
from qat.runtimes.mnn import Mnn, MnnSettings, conversions, convert, label, labelled
from tests.runtimes.tiny import SHAPE, expected, picture


@pytest.mark.parametrize("conversion", Mnn.conversions)
def test_each_form_keeps_the_function_and_the_size_of_pictures(
    conversion: Conversion, artefacts: Path, tmp_path: Path
) -> None:
    made = tmp_path / "model.mnn"
    with captured_output():
        convert(read_artefact(artefacts / "float.onnx"), made, conversion.options)
    session = Mnn().load(made, 1)
    want = expected(picture(2), quantised=False)
    assert session.artefact.shape == SHAPE
    assert np.linalg.norm(session.run(picture(2)) - want) < 0.03 * np.linalg.norm(want)


@pytest.mark.parametrize(("bits", "least", "most"), [(4, 0.05, 0.4), (6, 0.005, 0.05)])
def test_fewer_bits_of_weights_are_further_from_float(
    bits: int, least: float, most: float, artefacts: Path, tmp_path: Path
) -> None:
    coarse, made = conversions(MnnSettings(optimize=2, weight_bits=bits))[2], tmp_path / "model.mnn"
    with captured_output():
        convert(read_artefact(artefacts / "float.onnx"), made, coarse.options)
    want = expected(picture(), quantised=False)
    off = np.linalg.norm(Mnn().load(made, 1).run(picture()) - want) / np.linalg.norm(want)
    assert (coarse.name, coarse.how) == (f"model_float_w{bits}.mnn", f", weights in {bits} bits, optimizeLevel 2")
    assert least < off < most


def test_stored_shapes_are_those_of_one_picture(artefacts: Path, tmp_path: Path) -> None:
    """Of a file for any number of pictures too: they run one by one."""
    static = Mnn.conversions[-1]
    with captured_output():
        convert(read_artefact(artefacts / "any_batch.onnx"), tmp_path / "model.mnn", static.options)
    session = Mnn().load(tmp_path / "model.mnn", 1)
    assert session.artefact.shape == SHAPE
    assert np.abs(session.run(picture(3)) - expected(picture(3), quantised=False)).max() < 1e-3


def test_only_the_file_is_left(artefacts: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    Mnn().convert(artefacts / "float.onnx", tmp_path / "model.mnn", ("--fp16",))
    assert [path.name for path in tmp_path.iterdir()] == ["model.mnn"]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("file", ["s8.onnx", "u8.onnx"])
def test_qdq_is_refused_with_the_reason(file: str, artefacts: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"^mnn can't convert .*{file} .*can't run; convert model_float.onnx"):
        Mnn().convert(artefacts / file, tmp_path / "model.mnn")
    assert not list(tmp_path.iterdir())


def test_the_refusal_is_still_true(artefacts: Path, tmp_path: Path) -> None:
    """The day that MNN reads QDQ files this fails, and the refusal can go."""
    with captured_output(), pytest.raises(UserError):
        convert(Artefact(artefacts / "s8.onnx", "float ONNX"), tmp_path / "model.mnn", ())


def test_what_a_file_takes_is_in_its_label() -> None:
    plain = Artefact(Path("a.mnn"), "MNN")
    raw = Artefact(Path("a.mnn"), "MNN", shape=(None, 3, 360, 480), dtype=np.dtype(np.uint8))
    assert label(raw) == "uint8:Nx3x360x480"
    assert labelled(plain, label(raw)) == raw
    assert labelled(plain, "somebody else's") == plain


def test_layers_that_do_not_fit_are_told_in_mnns_words(artefacts: Path, tmp_path: Path) -> None:
    made = tmp_path / "model.mnn"
    with captured_output():
        convert(read_artefact(artefacts / "float.onnx"), made, ())
    session = Mnn().load(made, 1)
    session.artefact = replace(session.artefact, shape=(None, None, None, None))
    with pytest.raises(UserError, match=r"can't run .*model.mnn: .*[Bb]road.*cast"):
        session.run(picture()[..., :-2, :])
