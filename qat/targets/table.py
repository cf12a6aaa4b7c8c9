"""What a target's table is made of: rows of operations, each with the limits that a device sets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

Shape = tuple[int, ...]
Severity = Literal["error", "warning"]

COMMON_RULES = frozenset(
    {
        "in_place",
        "identity",
        "batch_size",
        "constant_sizes",
        "empty_part",
        "constant_fold",
        "functional_norm",
        "functional_layer",
        "synced_norm",
        "same_padding",
        "zero_pad",
        "alpha",
        "reciprocal",
        "interpolate_size",
        "keepdim",
        "reshape_pair",
        "reshape_chain",
        "flat_linear",
        "constant_minuend",
        "negation",
        "adaptive_pool",
        "norm_into_sum",
        "shared_interpolation",
        "quant_stub",
        "dequant_stub",
    }
)
"""The rewrite rules that every target needs so far, by name; `qat.graph.rules.RULES` has their order."""

COMPUTED = "computed"  # stands for a number that the graph computes from pixels while it runs
SIZED = "computed from sizes"  # and for one that it computes from shapes, such as the batch size


@dataclass(frozen=True)
class Call:
    """One operation of a graph, as limits see it.

    `spelling` is how the model writes it: operator.add, torch.add, Tensor.add, nn.ReLU. `args` are torch's parameters
    by name with defaults filled in: tensors are their shapes (tuples), numbers that the graph computes are COMPUTED
    or SIZED. `before` names the operation that makes its first input, `after` those that read its output.
    """

    op: str
    spelling: str
    inputs: tuple[Shape, ...] = ()
    outputs: tuple[Shape, ...] = ()
    args: Mapping[str, Any] = field(default_factory=dict)
    before: str = ""
    after: tuple[str, ...] = ()


@dataclass(frozen=True)
class Limit:
    """A condition on a call: `holds` decides, `message` (with the call's args) says what is wrong, `fix` what to do.

    `source`: the document and line, or how it is known, where that isn't the row's.
    """

    name: str
    holds: Callable[[Call], bool]
    message: str
    fix: str
    severity: Severity = "error"
    source: str = ""

    def text(self, call: Call) -> str:
        """The message with the call's arguments filled in."""
        return self.message.format_map({**call.args, "call": call})


@dataclass(frozen=True)
class Row:
    """An operation that the device has, the types of its activations, its limits, and the document and line."""

    op: str
    limits: tuple[Limit, ...] = ()
    dtypes: tuple[str, ...] = ("int8",)
    source: str = ""


@dataclass(frozen=True)
class Target:
    """A device: rows by operation, limits on every tensor, fixes where a row is missing, rewrite rules.

    `fails`: the operations without a row that are known to fail, and how that is known; others are a warning. None: all
    fail.
    """

    name: str
    rows: Mapping[str, Row]
    everywhere: tuple[Limit, ...]
    missing: Mapping[str, str]
    rules: frozenset[str]
    fails: Mapping[str, str] | None = None

    def limits(self, op: str) -> tuple[Limit, ...]:
        """All limits on the operation `op`; one that never holds if the device doesn't have it."""
        row = self.rows.get(op)
        return self.everywhere + (row.limits if row is not None else (self._unsupported(op),))

    def _unsupported(self, op: str) -> Limit:
        fix = self.missing.get(op, "write it with operations of the target's table, or apply it outside the graph")
        if self.fails is None or op in self.fails:
            source = (self.fails or {}).get(op, "")
            return Limit("unsupported", lambda call: False, f"{self.name} has no int8 {op}", fix, source=source)
        unknown = f"{self.name}'s documents have no row for {op}: whether the device has it isn't known"
        return warning("no row", unknown, fix)

    def source(self, op: str, limit: Limit) -> str:
        """The document and line that a limit on `op` comes from; "" where the table names none."""
        row = self.rows.get(op)
        return limit.source or (row.source if row else "")


def table(*rows: Row) -> Mapping[str, Row]:
    """Rows by operation."""
    return MappingProxyType({row.op: row for row in rows})


def warning(name: str, message: str, fix: str, holds: Callable[[Call], bool] = lambda call: False) -> Limit:
    """A limit that doesn't keep the model from running; by default every call breaks it."""
    return Limit(name, holds, message, fix, "warning")


def unclear(message: str, fix: str, holds: Callable[[Call], bool] = lambda call: False, name: str = "unclear") -> Limit:
    """A limit of which the document doesn't say enough: a warning that says so."""
    return warning(name, f"unclear: {message}", fix, holds)


def numbers(value: Any) -> tuple[float, ...]:
    """A kernel, stride or padding as a tuple; entries that aren't numbers (None, "same", COMPUTED) are left out.

    >>> numbers(3), numbers((1, 2)), numbers("same")
    ((3,), (1, 2), ())
    """
    values = value if isinstance(value, tuple | list) else (value,)
    return tuple(item for item in values if isinstance(item, int | float))


def pair(value: object) -> tuple[float, ...]:
    """A kernel, stride or padding as one number for each side."""
    sides = numbers(value)
    return sides * 2 if len(sides) == 1 else sides


def computed(value: Any) -> bool:
    """Whether a setting, or a part of it, is computed by the graph.

    >>> computed((4, COMPUTED)), computed((4, -1))
    (True, False)
    """
    return any(map(computed, value)) if isinstance(value, tuple | list) else value == COMPUTED


def at_most(name: str, bound: float, fix: str = "use a smaller one, or two layers in a row") -> Limit:
    """The argument `name`, in every direction, is at most `bound`."""
    return Limit(
        f"{name} at most {bound}",
        lambda call: all(value <= bound for value in numbers(call.args.get(name))),
        f"{name} {{{name}}} is above {bound}",
        fix,
    )


IN_PLACE = warning(
    "in place",
    "it changes its input in place: whether other readers see that depends on what is fused",
    "use the plain form (rule in_place)",
    lambda call: not call.args.get("inplace") and not call.spelling.endswith("_") and "operator.i" not in call.spelling,
)
CONSTANT_SIZE = Limit(
    "constant size",
    lambda call: COMPUTED not in str(call.args["size"]),
    "its size is computed from other tensors' shapes",
    "give numbers (rule constant_sizes)",
)
