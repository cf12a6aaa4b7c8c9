"""The methods that make a calibration better: one row each, in the order in which they run.

A row decides the keys in section QUANT with their defaults and checks, the run, what a killed run doesn't repeat, the
record in methods.json, what a plugin refuses, what fine-tuning leaves alone and the command that `make debug` proposes.
A method's module is imported when it runs: nothing here needs torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from torch import fx

    from qat.ptq.context import Context, Outcome


@dataclass(frozen=True)
class Key:
    """A key of section QUANT. `valid`: a test beyond the type, with the text of what is expected."""

    name: str
    default: Any
    meaning: str
    least: int | None = None
    valid: tuple[Callable[[Any], bool], str] | None = None


@dataclass(frozen=True)
class Method:
    """A method. `key`: its switch; `on`: the value that switches it on, None for any that is true. `keys`: more of it.

    `module`: has `tune(prepared, context) -> Outcome`, which changes the graph in place. `needs`: fields of `Context`
    that it asks for. `changes`: ranges of activations, weights (which another backend takes over), or bits.
    `before_statistics`: it runs before any picture is observed. `advice`: what to try, with the switch's value.
    """

    key: Key
    module: str
    changes: Literal["ranges", "weights", "bits"]
    needs: tuple[str, ...]
    on: Any = None
    keys: tuple[Key, ...] = ()
    before_statistics: bool = False
    advice: tuple[str, str] | None = None

    @property
    def name(self) -> str:
        """The switch's name, by which methods.json knows the method."""
        return self.key.name

    @property
    def title(self) -> str:
        """The switch, with the value where that matters.

        >>> method("OBSERVER").title, method("ADAROUND").title
        ('OBSERVER auto', 'ADAROUND')
        """
        return self.name if self.on is None else f"{self.name} {self.on}"

    def is_on(self, quant: Mapping[str, Any]) -> bool:
        """Whether section QUANT switches it on."""
        value = quant[self.name]
        return bool(value) if self.on is None else bool(value == self.on)

    def tune(self, prepared: fx.GraphModule, context: Context) -> Outcome:
        """Run it on a graph, in place."""
        outcome: Outcome = import_module(self.module).tune(prepared, context)
        return outcome


METHODS = (
    Method(
        key=Key("EQUALISE", False, "cross-layer equalisation before calibration"),
        module="qat.ptq.equalise",
        changes="weights",
        needs=("for_ranges", "example"),
        before_statistics=True,
        advice=("equalise channels across layers", "True"),
    ),
    Method(
        key=Key(
            "OBSERVER",
            "percentile",
            "of activations; auto tries every one, and averaging constants, on held-out training images",
        ),
        module="qat.ptq.observer_search",
        changes="ranges",
        needs=("judge",),
        on="auto",
        advice=("choose the observer on held-out pictures", "auto"),
    ),
    Method(
        key=Key(
            "ADAROUND", False, "each layer's weights rounded so that its output, not each weight, is nearest to float's"
        ),
        module="qat.ptq.adaround",
        changes="weights",
        needs=("batches",),
        advice=("learn which way each weight is rounded", "True"),
    ),
    Method(
        key=Key("RECONSTRUCT", False, "the whole network's weights, biases and scales, tuned to give float's logits"),
        module="qat.ptq.reconstruct",
        changes="weights",
        needs=("batches", "floating", "cropped"),
        keys=(Key("RECONSTRUCT_STEPS", 200, "steps of the tuning", least=1),),
    ),
    Method(
        key=Key("BIAS_CORRECTION", False, "the mean error of each layer goes into its bias"),
        module="qat.ptq.bias",
        changes="weights",
        needs=("batches", "plain"),
    ),
    Method(
        key=Key(
            "MAX_DROP",
            0.0,
            "mIoU (0 to 1) that may be lost: else the most sensitive layers get more bits; 0: all in int8",
            valid=(lambda value: 0 <= value < 1, "mIoU from 0 (off) to below 1, such as 0.0005"),
        ),
        module="qat.ptq.mixed_precision",
        changes="bits",
        needs=("example", "plain", "judge", "ranking"),
        advice=("more bits for the fewest layers", "0.0005"),
    ),
)


def method(name: str) -> Method:
    """The row of a switch."""
    return next(row for row in METHODS if row.name == name)


def all_keys() -> tuple[Key, ...]:
    """Every key of section QUANT that a method brings."""
    return tuple(key for row in METHODS for key in (row.key, *row.keys))


def active(quant: Mapping[str, Any]) -> tuple[Method, ...]:
    """The methods that section QUANT switches on, in order."""
    return tuple(row for row in METHODS if row.is_on(quant))


def tunes_weights(quant: Mapping[str, Any]) -> bool:
    """Whether weights have scales of their own by a method, which a backend that takes them over keeps."""
    return any(row.changes == "weights" for row in active(quant))


def undone_by_equalising(quant: Mapping[str, Any]) -> tuple[str, ...]:
    """The switches that are on and whose work equalising channels later would undo; ranges are chosen again."""
    return tuple(row.name for row in active(quant) if row.changes != "ranges")


def not_taken_over(quant: Mapping[str, Any]) -> tuple[Method, ...]:
    """The methods that are on and that a backend which takes over tuned weights has no use for."""
    return tuple(row for row in active(quant) if row.changes != "weights")
