"""A child process that heeds Ctrl-C, wherever the tests run."""

from __future__ import annotations

import signal


def heeding() -> None:
    """A shell's background jobs ignore Ctrl-C, and what they start inherits that. (Python's handler goes with exec.)"""
    signal.signal(signal.SIGINT, signal.default_int_handler)
