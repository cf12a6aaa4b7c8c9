"""A library's error becomes one line, and its prints stay out of the way."""

from __future__ import annotations

import os

import pytest

from qat.errors import UserError
from qat.runtimes.blame import blamed, quiet


def test_an_error_becomes_one_line() -> None:
    with (
        pytest.raises(UserError, match=r"^can't load a.onnx: first; is it damaged\?$"),
        blamed("can't load a.onnx", "is it damaged?"),
    ):
        raise ValueError("first\nsecond")
    with pytest.raises(UserError, match=r"^can't run a.onnx: KeyError$"), blamed("can't run a.onnx"):
        raise KeyError
    with pytest.raises(UserError, match=r"^mine$"), blamed("not this"):
        raise UserError("mine")


def test_quiet_catches_what_c_writes_and_gives_the_streams_back(capfd: pytest.CaptureFixture[str]) -> None:
    with quiet() as said:
        os.write(1, b"out\n")
        os.write(2, b"err\n")
        said.seek(0)
        assert said.read() == "out\nerr\n"
    os.write(1, b"again\n")
    assert capfd.readouterr() == ("again\n", "")
