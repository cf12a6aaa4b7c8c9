"""Which class each value of the label files means, guessed from what they hold and what the network gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qat.data.descriptor import IGNORE, Descriptor
from qat.errors import UserError


@dataclass(frozen=True)
class ClassGuess:
    """The classes: a name and the values that mean it, in the order of the logits; `void`: values that mean none.

    `why`: how that was found. `colours`: of a known data set's classes; () where names are placeholders.
    """

    classes: tuple[tuple[str, tuple[int, ...]], ...]
    void: tuple[int, ...]
    why: str
    colours: tuple[tuple[int, ...], ...] = ()


def guess_classes(values: Sequence[int], count: int | None, known: Sequence[Descriptor] = ()) -> ClassGuess:
    """Guesses the classes of label files.

    `values`: that they hold; () without labels. `count`: of the logits' channels; None where that is free. `known`:
    data sets whose ids the values may be. UserError where the values don't fit the network.

    >>> guess_classes([0, 255], 2).classes
    (('class_0', (0,)), ('class_255', (255,)))
    >>> guess_classes([0, 1, 255], 3).void
    ()
    """
    inner = [value for value in values if value != IGNORE]
    if count is None:
        count = len(inner) if len(inner) > 1 else max(len(values), 1)
    if not values:
        return _numbered(count, "without labels: classes are numbered")
    if list(values) == [0, IGNORE] and count == 2:
        return _in_order(values, "a mask of 0 and 255")
    if inner and max(inner) < count:
        ignored = "; 255 is ignored" if IGNORE in values else ""
        return _numbered(count, f"values are below {count}: they are train ids{ignored}")
    if len(inner) == count:
        return _in_order(inner, f"{count} values for {count} classes, in order")
    if len(values) == count:
        return _in_order(values, f"{count} values for {count} classes, in order; 255 is one of them")
    for one in known:
        ids = {value for each in one.classes for value in each.ids}
        if len(one.classes) == count and set(inner) <= ids | set(one.void):
            classes = tuple((each.name, each.ids) for each in one.classes)
            colours = tuple(each.colour for each in one.classes)
            return ClassGuess(classes, one.void, f"values are ids of data set {one.name}", colours)
    shown = ", ".join(map(str, values[:12])) + (" ..." if len(values) > 12 else "")
    raise UserError(
        f"the labels hold {len(values)} values ({shown}) and the network gives {count} classes; give a network of as "
        "many (MODEL.KWARGS), or write the descriptor by hand: id may be a list of values, void those without a class"
    )


def _numbered(count: int, why: str) -> ClassGuess:
    return ClassGuess(tuple((f"class_{index}", (index,)) for index in range(count)), (), why)


def _in_order(values: Sequence[int], why: str) -> ClassGuess:
    return ClassGuess(tuple((f"class_{value}", (value,)) for value in values), (), why)
