"""The public names say what they take and give, with an example that runs (doctests run it)."""

from __future__ import annotations

import inspect

import pytest

import qat

FUNCTIONS = [name for name in qat.__all__ if inspect.isfunction(getattr(qat, name))]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_has_args_returns_raises_and_an_example(name: str) -> None:
    text = inspect.getdoc(getattr(qat, name)) or ""
    assert [part for part in ("Args:", "Returns:", "Raises:", "Example:", ">>>") if part not in text] == []


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_argument_is_described(name: str) -> None:
    function = getattr(qat, name)
    text = inspect.getdoc(function) or ""
    args = text.split("Args:")[1].split("Returns:")[0]
    assert [parameter for parameter in inspect.signature(function).parameters if f"{parameter}:" not in args] == []


def test_british_spellings_are_the_same_functions() -> None:
    assert qat.equalise is qat.equalize
    assert qat.fake_quantised is qat.fake_quantized
