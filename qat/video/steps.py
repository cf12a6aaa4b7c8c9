"""Time by step: what each frame costs in seconds, and in seconds of all CPU cores together."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Cost:
    """Seconds by the clock and on the CPU, of all threads of the process."""

    wall: float = 0.0
    cpu: float = 0.0


@dataclass
class Steps:
    """The cost of each step so far, in the order of their first use.

    >>> steps = Steps()
    >>> with steps.step("read"):
    ...     pass
    >>> list(steps.costs)
    ['read']
    """

    costs: dict[str, Cost] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Add the block's time to step `name`."""
        wall, cpu = time.perf_counter(), time.process_time()
        try:
            yield
        finally:
            self.add(name, Cost(time.perf_counter() - wall, time.process_time() - cpu))

    def add(self, name: str, cost: Cost) -> None:
        """Add a cost that was measured elsewhere."""
        total = self.costs.setdefault(name, Cost())
        total.wall += cost.wall
        total.cpu += cost.cpu

    def reset(self) -> None:
        """Forget what was measured, such as a first run's."""
        self.costs.clear()

    @property
    def cpu(self) -> float:
        """Seconds on the CPU of all steps."""
        return sum(cost.cpu for cost in self.costs.values())
