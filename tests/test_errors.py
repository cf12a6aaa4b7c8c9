from __future__ import annotations

import pytest

from qat.errors import UserError, as_user_error, nearest


def test_the_closest_spelling_is_offered() -> None:
    assert nearest("pidnet-s", ["pidnet_l", "pidnet_s"]) == "did you mean pidnet_s?"


def test_without_a_close_one_all_are_listed() -> None:
    assert nearest("zzz", ["x86", "j5"]) == "expected one of: x86, j5"
    assert nearest("", (name for name in ("x86", "j5"))) == "expected one of: x86, j5"


def test_an_error_becomes_one_line() -> None:
    with (
        pytest.raises(UserError, match=r"^can't load a.onnx: first; is it damaged\?$"),
        as_user_error("can't load a.onnx", "is it damaged?"),
    ):
        raise ValueError("first\nsecond")
    with pytest.raises(UserError, match=r"^can't run a.onnx: KeyError$"), as_user_error("can't run a.onnx"):
        raise KeyError
    with pytest.raises(UserError, match=r"^mine$"), as_user_error("not this"):
        raise UserError("mine")
