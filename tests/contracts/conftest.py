"""The stand-in isn't collected: it is imported by the names that the plugin has."""

from __future__ import annotations

from types import ModuleType

import pytest
import torch

from tests.contracts.fixture import stand_in

__all__ = ["stand_in"]
collect_ignore = ["plugin"]


@pytest.fixture
def plugin(stand_in: ModuleType) -> ModuleType:
    stand_in.set_march("bayes")
    torch.manual_seed(0)
    return stand_in
