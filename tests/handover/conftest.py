"""Bundles of a network that takes no time."""

from __future__ import annotations

from tests.contracts.fixture import stand_in

__all__ = ["stand_in"]
