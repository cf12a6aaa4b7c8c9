"""Horizon's plugin for J5 (march BAYES), as documented publicly around OpenExplorer 1.1 (2023)."""

from __future__ import annotations

from qat.backends.horizon.backend import HorizonBackend, Options

__all__ = ["HorizonBackend", "Options"]
