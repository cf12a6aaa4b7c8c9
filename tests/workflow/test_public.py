"""Every stage is a function of the package, whatever was imported before."""

from __future__ import annotations

import inspect
from importlib import import_module

import pytest

from qat import workflow


@pytest.mark.parametrize("name", workflow.__all__)
def test_a_stage_takes_a_config_and_progress_and_says_what_it_gives(name: str) -> None:
    function = getattr(workflow, name)
    assert list(inspect.signature(function).parameters)[:2] == ["config", "progress"]
    for part in ("Args:", "Returns:", "Raises:"):
        assert part in function.__doc__, f"{name} has no {part}"


def test_a_module_of_the_room_does_not_hide_a_function() -> None:
    import_module("qat.workflow.evaluation")
    assert callable(workflow.evaluate)


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nothing"):
        _ = workflow.nothing
