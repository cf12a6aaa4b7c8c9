"""The plugin's stand-in, for the tests that ask for it."""

from __future__ import annotations

from tests.contracts.fixture import stand_in

__all__ = ["stand_in"]
