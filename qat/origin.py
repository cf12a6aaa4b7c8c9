"""The origin of a result: named values that decide it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True)
class Difference:
    """A value that has changed."""

    name: str
    before: Any
    now: Any

    def __str__(self) -> str:
        """For the middle of an error's line."""
        return f"{self.name} {self.before}, now it is {self.now}"


@dataclass(frozen=True)
class Origin:
    """The values that decide a result, by name, as JSON holds them.

    `defaults`: the values that count for a name that an older record lacks.
    """

    values: Mapping[str, Any]
    defaults: Mapping[str, Any] = field(default_factory=dict)

    def with_values(self, values: Mapping[str, Any]) -> Origin:
        """With more values, whose names needn't be Python's.

        >>> Origin({"scheme": "affine"}).with_values({"the list": "x"}).values
        {'scheme': 'affine', 'the list': 'x'}
        """
        return replace(self, values={**self.values, **values})

    @property
    def unlike_older(self) -> dict[str, Any]:
        """The values without those that count for an older record anyway: a key made of them stays what it was.

        >>> Origin({"scheme": "affine", "bits": 8}, {"bits": 8}).unlike_older
        {'scheme': 'affine'}
        """
        same = {name for name, value in self.defaults.items() if self.values.get(name) == value}
        return {name: value for name, value in self.values.items() if name not in same}

    def difference(self, recorded: Mapping[str, Any]) -> Difference | None:
        """Returns the first value that differs in `recorded`; None if the result is current.

        >>> origin = Origin({"scheme": "affine", "bits": 8}, {"bits": 8})
        >>> origin.difference({"scheme": "affine"})
        >>> str(origin.difference({"scheme": "symmetric"}))
        'scheme symmetric, now it is affine'
        """
        return next(self.differences(recorded), None)

    def differences(self, recorded: Mapping[str, Any]) -> Iterator[Difference]:
        """All of them."""
        for name, now in self.values.items():
            before = recorded.get(name, self.defaults.get(name))
            if before != now:
                yield Difference(name, before, now)
