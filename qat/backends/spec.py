"""What to quantise to: one frozen value that every backend reads."""

from __future__ import annotations

from dataclasses import dataclass, field

from qat.engine import choose_engine
from qat.observers.ranges import Grid

SCHEMES = ("symmetric", "affine")


@dataclass(frozen=True)
class QuantSpec:
    """The quantisation scheme.

    `scheme`: symmetric (J5's grid: 256 levels around zero) or affine. `observer`: of activations, a name in
    `qat.observers.ranges`; `weight_observer`: one in `qat.observers.weights`.
    `averaging_constant`: None weighs all batches the same. `engine`: auto or a torch quantised engine.
    `high_precision`: names of more modules whose output stays float, besides the tail found from the graph.
    """

    scheme: str = "symmetric"
    observer: str = "percentile"
    weight_observer: str = "mse"
    percentile: float = 99.99
    averaging_constant: float | None = None
    engine: str = "auto"
    high_precision: tuple[str, ...] = field(default=())

    @property
    def grid(self) -> Grid:
        """The activations' integers: all 256, or 128 where the CPU's int8 products would saturate."""
        top = 127 if choose_engine(self.engine).reduce_range else 255
        return Grid(0, top, symmetric=self.scheme == "symmetric")

    @property
    def unit_qparams(self) -> tuple[float, int]:
        """Scale and zero point of a sigmoid's output: 0, 1 and 1 - x lie on the grid, so `1 - sigmoid(x)` is exact."""
        grid = self.grid
        zero = (grid.low + grid.high + 1) // 2 if grid.symmetric else grid.low
        return 1.0 / (grid.high - zero), zero
