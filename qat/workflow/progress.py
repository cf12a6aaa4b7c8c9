"""How a stage tells how far it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Progress = Callable[[int, int, str], None]
"""Takes the steps done, how many there are, and a text: what runs, and after a colon what is in hand."""

T = TypeVar("T")


def silent(done: int, total: int, text: str) -> None:
    """Nobody looks."""


def counter(progress: Progress, total: int, title: str) -> Callable[..., None]:
    """A function (steps, text="") that adds steps, for loops that don't know how many there are."""
    done = 0

    def advance(steps: int = 1, text: str = "") -> None:
        nonlocal done
        done += steps
        progress(done, total, f"{title}: {text}")

    return advance


def watched(items: Iterable[T], progress: Progress, total: int, title: str) -> Iterator[T]:
    """`items`, each counted when the next is asked for."""
    for done, item in enumerate(items, start=1):
        yield item
        progress(done, total, title)
