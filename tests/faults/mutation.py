"""Damage to files, by a seeded source of randomness: of bytes, as disks and networks do it, and of structure."""

from __future__ import annotations

import copy
from collections.abc import Callable
from random import Random
from typing import Any

OTHERS: tuple[Any, ...] = (
    *(None, True, 0, -1, 1, 10**30, 0.5, -0.0, 1e308, float("inf"), float("nan")),
    *("", "x", "x" * 300, "\x1b[31mred\n", "../..", "/", "1e5", "${NONE}", "no", "\0"),
    *([], {}, [[]], [1, 2, 3, 4], ["a"], {"a": 1}, {"NAME": {"a": []}}),
)


def flip(data: bytearray, rng: Random) -> None:
    """One bit."""
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def overwrite(data: bytearray, rng: Random) -> None:
    """Some bytes with noise, zeros or ones."""
    at, count = rng.randrange(len(data)), rng.choice((1, 2, 4, 8, 64, 512))
    fill = rng.choice((rng.randbytes(count), b"\0" * count, b"\xff" * count))
    data[at : at + count] = fill[: len(data) - at]


def cut(data: bytearray, rng: Random) -> None:
    """The end, or a piece of the middle."""
    at = rng.randrange(len(data))
    del data[at : rng.choice((len(data), at + rng.randrange(1, 64)))]


def repeat(data: bytearray, rng: Random) -> None:
    """A piece once more."""
    at = rng.randrange(len(data))
    data[at:at] = data[at : at + rng.randrange(1, 256)]


def swap(data: bytearray, rng: Random) -> None:
    """A piece moves to another place."""
    start, to = rng.randrange(len(data)), rng.randrange(len(data))
    piece = data[start : start + 32]
    data[to : to + len(piece)] = piece


WAYS: tuple[Callable[[bytearray, Random], None], ...] = (flip, flip, overwrite, cut, repeat, swap)


def damaged(data: bytes, rng: Random) -> bytes:
    """The bytes with one to four kinds of damage, which may leave nothing."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4))):
        if changed:
            rng.choice(WAYS)(changed, rng)
    return bytes(changed)


def restructured(tree: Any, rng: Random) -> Any:
    """The tree of dicts and lists with one to three of its parts replaced, removed, doubled or renamed."""
    changed = {"": copy.deepcopy(tree)}
    for _ in range(rng.choice((1, 1, 2, 3))):
        holder, key = rng.choice(list(_places(changed)))
        way = rng.randrange(4)
        if way == 0 and (isinstance(holder, list) or key != ""):
            del holder[key]
        elif way == 1 and isinstance(holder, dict) and key != "":
            holder[rng.choice(("x", f"{key}2", str(key).lower()))] = holder.pop(key)
        else:
            holder[key] = copy.deepcopy(rng.choice(OTHERS))
    return changed[""]


def _places(tree: Any) -> Any:
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in list(items):
        yield tree, key
        yield from _places(value)
