"""Progress: how a stage reports how far it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Progress = Callable[[int, int, str], None]
"""Takes the steps done, the number of steps, and a text: what runs, and after a colon the current item."""

T = TypeVar("T")


def silent(done: int, total: int, text: str) -> None:
    """Report nothing."""


def counter(progress: Progress, total: int, title: str) -> Callable[..., None]:
    """Returns a function (steps, text="") that adds steps, for loops that don't know their length."""
    done = 0

    def advance(steps: int = 1, text: str = "") -> None:
        nonlocal done
        done += steps
        progress(done, total, f"{title}: {text}")

    return advance


def watched(items: Iterable[T], progress: Progress, total: int, title: str) -> Iterator[T]:
    """Yields `items` and reports each when the next one is asked for."""
    for done, item in enumerate(items, start=1):
        yield item
        progress(done, total, title)
