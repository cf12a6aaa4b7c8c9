"""A float model becomes a graph that a target can quantise; the same tables check it."""

from __future__ import annotations

from qat.graph.check import Violation, check
from qat.graph.rewrite import Fired, Proof, Refused, RewriteError, RewriteLog, Rewritten, rewrite
from qat.graph.source import source_of
from qat.graph.trace import trace

__all__ = [
    "Fired",
    "Proof",
    "Refused",
    "RewriteError",
    "RewriteLog",
    "Rewritten",
    "Violation",
    "check",
    "rewrite",
    "source_of",
    "trace",
]
