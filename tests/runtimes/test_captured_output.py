"""What libraries print stays out of the way."""

from __future__ import annotations

import os

import pytest

from qat.runtimes.captured_output import captured_output


def test_it_catches_what_c_writes_and_gives_the_streams_back(capfd: pytest.CaptureFixture[str]) -> None:
    with captured_output() as said:
        os.write(1, b"out\n")
        os.write(2, b"err\n")
        said.seek(0)
        assert said.read() == "out\nerr\n"
    os.write(1, b"again\n")
    assert capfd.readouterr() == ("again\n", "")
