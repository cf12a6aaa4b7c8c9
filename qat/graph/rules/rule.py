"""What a rewrite rule is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch.fx import Node


def _never(node: Node) -> str | None:
    return None


@dataclass(frozen=True)
class Rule:
    """A rewrite that keeps the function.

    `match` finds the node; `check` gives the reason why the function couldn't be kept there, or None; `apply` rewrites
    and returns what it did in a few words. `match` and `check` only look, so that a refusal leaves the graph as it was.
    A node that `match` finds after `apply` is looked at again, until none fires.
    """

    name: str
    reason: str
    match: Callable[[Node], bool]
    apply: Callable[[Node], str]
    check: Callable[[Node], str | None] = _never
