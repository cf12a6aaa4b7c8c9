from __future__ import annotations

from qat.errors import nearest


def test_the_closest_spelling_is_offered() -> None:
    assert nearest("pidnet-s", ["pidnet_l", "pidnet_s"]) == "did you mean pidnet_s?"


def test_without_a_close_one_all_are_listed() -> None:
    assert nearest("zzz", ["x86", "j5"]) == "expected one of: x86, j5"
    assert nearest("", (name for name in ("x86", "j5"))) == "expected one of: x86, j5"
