"""What a rewrite rule is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch.fx import Node


class Refuse(Exception):
    """A rule found its pattern but can't keep the function; the text is the reason."""


@dataclass(frozen=True)
class Rule:
    """A rewrite that keeps the function: `match` finds the node, `apply` rewrites there or raises Refuse.

    `apply` returns what it did in a few words; a node that `match` finds after it is looked at again, until none fires.
    """

    name: str
    reason: str
    match: Callable[[Node], bool]
    apply: Callable[[Node], str]
