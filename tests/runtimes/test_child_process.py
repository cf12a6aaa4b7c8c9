"""A crash in a runtime is one line, and everything else is as without the child process."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from qat.errors import UserError
from qat.runtimes import Isolated
from qat.runtimes.child_process import Child, in_child
from qat.runtimes.ort import Ort
from tests.runtimes.crashing import Subject, add, loud
from tests.runtimes.tiny import picture


def test_values_mistakes_and_faults_come_back_and_the_child_lives_on() -> None:
    child = Child("thing 1.0", Subject())
    assert child.call("double", 21, doing="doubling") == 42
    with pytest.raises(UserError, match=r"^a user's mistake$"):
        child.call("mistake", doing="x")
    with pytest.raises(RuntimeError, match="ZeroDivisionError: a fault of ours"):
        child.call("fault", doing="x")
    assert child.call("double", 1, doing="doubling") == 2
    child.close()


@pytest.mark.parametrize(
    ("method", "cause"), [("abort", r"SIGABRT: what\(\): std::bad_alloc"), ("segfault", "SIGSEGV")]
)
def test_a_crash_is_one_line_that_says_what_where_and_what_to_do(method: str, cause: str) -> None:
    child = Child("openvino 2026.4.1", Subject())
    with pytest.raises(
        UserError, match=rf"^openvino 2026.4.1 crashed \({cause}\) while loading m.onnx; .*leave"
    ) as seen:
        child.call(method, doing="loading m.onnx")
    assert "\n" not in str(seen.value)
    with pytest.raises(UserError, match="crashed"):
        child.call("double", 1, doing="loading m.onnx")
    child.close()


def test_no_answer_in_time_is_one_line() -> None:
    child = Child("thing 1.0", Subject(), timeout=0.2)
    with pytest.raises(UserError, match=r"^thing 1.0 gave no answer in 0.2 s while running m.onnx; "):
        child.call("hang", doing="running m.onnx")
    child.close()


def test_a_child_that_cannot_start_is_one_line() -> None:
    with pytest.raises(UserError, match=r"^thing 1.0 crashed \(exit code 1: .*Error"):
        in_child("thing 1.0", "starting", _Unpicklable())


class _Unpicklable:
    """It can be sent, and can't be received."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return int, ("no number",)


def test_a_function_in_a_child() -> None:
    assert in_child("thing 1.0", "adding", add, 1, 2) == 3


def test_an_isolated_session_is_like_the_session(artefacts: Path) -> None:
    pytest.importorskip("onnxruntime", reason="needs the extra: runtimes")
    session = Isolated(Ort()).load(artefacts / "u8.onnx", 1)
    direct = Ort().load(artefacts / "u8.onnx", 1)
    np.testing.assert_array_equal(session.run(picture(2)), direct.run(picture(2)))
    assert session.artefact == direct.artefact
    with pytest.raises(UserError, match="takes float32 1x3x32x48"):
        session.run(picture()[..., :-1])
    seconds = session.time(picture(), 3)
    assert len(seconds) == 3
    assert min(seconds) > 0
    assert [layer.name for layer in session.layers()] == [layer.name for layer in direct.layers()]
    session.close()


def test_a_damaged_file_is_as_without_the_child(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="needs the extra: runtimes")
    (tmp_path / "model.onnx").write_bytes(b"\xff" * 99)
    with pytest.raises(UserError, match=r"model.onnx is not a readable ONNX file"):
        Isolated(Ort()).load(tmp_path / "model.onnx", 1)


def test_code_of_the_working_directory_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`python -c` puts it first: a numpy.py there was executed."""
    for name in ("numpy", "json", "pickle", "onnxruntime"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend("")
    assert in_child("thing 1.0", "adding", add, 1, 2) == 3
    assert not (tmp_path / "ran").exists()


def test_what_a_runtime_prints_is_no_answer() -> None:
    assert in_child("thing 1.0", "printing", loud, 3) == 3
