"""A sum of reals whose terms are kept, so that parts of a set can be joined to the sum over the whole, bit for bit."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from functools import reduce
from operator import add


class OrderedSum:
    """Terms in float64, 8 bytes each, added up in their order.

    >>> whole, part = OrderedSum([0.1, 0.2]), OrderedSum([0.3])
    >>> whole.merge(part)
    >>> whole.value == 0.1 + 0.2 + 0.3
    True
    """

    def __init__(self, terms: Iterable[float] = ()) -> None:
        self.terms = array("d", terms)

    def add(self, term: float) -> None:
        """Add a term behind the others."""
        self.terms.append(term)

    def merge(self, other: OrderedSum) -> None:
        """Add the terms of another part of the set, which come after these."""
        self.terms += other.terms

    @property
    def value(self) -> float:
        """The sum; Python's own `sum` would compensate for rounding, and give another one."""
        return reduce(add, self.terms, 0.0)
