"""The stand-in isn't collected: it is imported by the names that the plugin has."""

from __future__ import annotations

from tests.contracts.fixture import stand_in

__all__ = ["stand_in"]
collect_ignore = ["plugin"]
