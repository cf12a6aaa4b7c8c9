"""Runtimes by name."""

from __future__ import annotations

import pickle

import pytest

from qat.errors import UserError
from qat.runtimes import NAMES, get_runtime, installed


def test_every_name_has_its_runtime_and_each_can_travel_to_a_child() -> None:
    assert len(set(NAMES)) == len(NAMES)
    for name in NAMES:
        assert pickle.loads(pickle.dumps(get_runtime(name))).name == name


def test_torchscript_is_always_installed() -> None:
    assert installed()["torchscript"].startswith("2.")
    assert list(installed()) == list(NAMES)


def test_an_unknown_name() -> None:
    with pytest.raises(UserError, match="unknown runtime openvin; did you mean openvino"):
        get_runtime("openvin")
