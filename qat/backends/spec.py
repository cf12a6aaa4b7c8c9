"""What to quantise to: one frozen value that every backend reads, and the layers that it leaves in float."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import fx

from qat.ao import DeQuantStub
from qat.engine import choose_engine
from qat.errors import UserError, nearest
from qat.graph.ops import INT8_LAYERS
from qat.graph.rules.stubs import before_resizing
from qat.observers.grid import Grid

SCHEMES = ("symmetric", "affine")


@dataclass(frozen=True)
class QuantSpec:
    """The quantisation scheme.

    Args:
        scheme: symmetric (J5's grid: 256 levels around zero) or affine.
        observer: how activations' ranges are chosen, a name of `qat.observers.ranges.OBSERVERS`.
        weight_observer: how weights' scales are chosen, a name of `qat.observers.weights.METHODS`.
        percentile: the share of values, in per cent, that observer percentile keeps.
        averaging_constant: a new batch's weight in a moving average of the statistics; None weighs all the same.
        engine: what int8 runs on: auto, program, or a name of `qat.engine.ENGINES`.
        high_precision: names of more modules whose output stays float, besides the tail found from the graph.
        allow_float: whether operations may run in float between int8 layers, where int8 doesn't have them, and whether
            `prepare` goes on where `check` still reports errors.

    Example:
        >>> from qat.observers.ranges import OBSERVERS
        >>> OBSERVERS
        ('min_max', 'percentile', 'mse', 'kl', 'mix', 'auto')
        >>> QuantSpec(observer="mse").grid.symmetric
        True
    """

    scheme: str = "symmetric"
    observer: str = "percentile"
    weight_observer: str = "mse"
    percentile: float = 99.99
    averaging_constant: float | None = None
    engine: str = "auto"
    high_precision: tuple[str, ...] = field(default=())
    allow_float: bool = False

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


def float_output_modules(graph: fx.GraphModule, more: tuple[str, ...] = ()) -> list[str]:
    """Module names of the tail convolutions and of the user's own choice; UserError for a name not in the graph."""
    names = {str(node.target) for node in graph.graph.nodes if node.op == "call_module"}
    for name in more:
        if name not in names:
            raise UserError(
                f"QUANT.HIGH_PRECISION names {name}, which is not a layer of the graph; {nearest(name, names)}"
            )
    tails = [str(node.target) for node in _outputs(graph) if _is_tail(graph, node)]
    return list(dict.fromkeys([*tails, *more]))


def float_resizings(graph: fx.GraphModule) -> list[fx.Node]:
    """The interpolations behind the tail convolutions: of dequantised logits, in float."""
    found: list[fx.Node] = []
    output = next(node for node in reversed(graph.graph.nodes) if node.op == "output")
    for node in output.all_input_nodes:
        start = before_resizing(node)
        while node is not start and _is_tail(graph, _through_stub(graph, start)):
            found.append(node)
            node = node.all_input_nodes[0]
    return found


def _outputs(graph: fx.GraphModule) -> list[fx.Node]:
    output = next(node for node in reversed(graph.graph.nodes) if node.op == "output")
    return [_through_stub(graph, before_resizing(node)) for node in output.all_input_nodes]


def _through_stub(graph: fx.GraphModule, node: fx.Node) -> fx.Node:
    if node.op == "call_module" and isinstance(graph.get_submodule(str(node.target)), DeQuantStub):
        return node.all_input_nodes[0]
    return node


def _is_tail(graph: fx.GraphModule, node: fx.Node) -> bool:
    if node.op != "call_module":
        return False
    return isinstance(graph.get_submodule(str(node.target)), INT8_LAYERS)
