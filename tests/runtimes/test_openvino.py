"""OpenVINO's own format: an .xml file and the .bin beside it, converted from ONNX and judged by running it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("openvino", reason="needs the extra: runtimes")
pytest.importorskip("onnxruntime", reason="needs the extra: runtimes")

from qat.errors import UserError
from qat.runtimes.artefact import read_artefact
from qat.runtimes.openvino import OpenVino, convert
from tests.runtimes.tiny import SHAPE, STEP, expected, picture

TWO_SESSIONS = """
import gc, signal, sys
from pathlib import Path
from qat.deploy.sessions.openvino import OpenVinoSession

sessions = [OpenVinoSession(Path(sys.argv[1]), 1) for _ in range(2)]
while sessions:
    sessions.pop(0)
    gc.collect()
signal.signal(signal.SIGTERM, lambda number, frame: print("heard"))
signal.raise_signal(signal.SIGTERM)
"""


@pytest.fixture(scope="module")
def folder(artefacts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with float.xml, s8.xml and any_batch.xml."""
    made = tmp_path_factory.mktemp("ir")
    OpenVino().convert(artefacts / "float.onnx", made / "float.xml")
    for name in ("s8", "any_batch"):  # in this process, which is quicker
        convert(read_artefact(artefacts / f"{name}.onnx"), made / f"{name}.xml")
    return made


def test_each_file_has_its_weights_beside_it_and_nothing_else(folder: Path) -> None:
    names = [f"{name}{suffix}" for name in ("any_batch", "float", "s8") for suffix in (".bin", ".xml")]
    assert sorted(path.name for path in folder.iterdir()) == names


def test_signals_are_heard_after_sessions_that_overlapped(artefacts: Path) -> None:
    """OpenVINO's CPU plugin changes the thread's signal stack."""
    child = subprocess.run(
        [sys.executable, "-c", TWO_SESSIONS, str(artefacts / "float.onnx")], capture_output=True, text=True
    )
    assert (child.returncode, child.stdout) == (0, "heard\n"), child.stderr


def test_float_is_torchs(folder: Path) -> None:
    session = OpenVino().load(folder / "float.xml", 1)
    assert (session.artefact.input, session.artefact.shape, session.artefact.dtype) == ("image", SHAPE, np.float32)
    want = expected(picture(2), quantised=False)
    assert np.abs(session.run(picture(2)) - want).max() < 1e-3 * np.abs(want).max()


def test_a_free_batch_stays_free(folder: Path) -> None:
    got = OpenVino().load(folder / "any_batch.xml", 1).run(picture(3))
    assert np.abs(got - expected(picture(3), quantised=False)).max() < 1e-3


def test_int8_is_fake_quantised_torchs_within_steps(folder: Path) -> None:
    steps = np.abs(OpenVino().load(folder / "s8.xml", 1).run(picture(2)) - expected(picture(2), quantised=True)) / STEP
    assert steps.max() < 3.01
    assert steps.mean() < 0.12


def test_a_picture_of_another_size_is_one_line(folder: Path) -> None:
    with pytest.raises(UserError, match=r"float.xml takes float32 1x3x32x48 and the input is float32 1x3x30x48"):
        OpenVino().load(folder / "float.xml", 1).run(picture()[..., :-2, :])


def test_weights_that_are_missing_and_damage_are_one_line(folder: Path, tmp_path: Path) -> None:
    alone = tmp_path / "alone.xml"
    alone.write_bytes((folder / "float.xml").read_bytes())
    with pytest.raises(UserError, match=r"^no weights at .*alone.bin, which belong to .*alone.xml; run "):
        OpenVino().load(alone, 1)
    alone.write_text("<net")
    alone.with_suffix(".bin").write_bytes(b"")
    with pytest.raises(UserError, match=r"^openvino .* can't load .*alone.xml: .*is the file damaged\?"):
        OpenVino().load(alone, 1)


def test_a_u8_file_is_refused_with_the_reason(artefacts: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^openvino can't convert .*u8.onnx .*crashes on u8 files"):
        OpenVino().convert(artefacts / "u8.onnx", tmp_path / "u8.xml")
    assert not list(tmp_path.iterdir())
