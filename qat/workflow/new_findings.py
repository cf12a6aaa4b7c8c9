"""What `new` says of the pictures and labels that it looked at, in lines."""

from __future__ import annotations

from collections.abc import Sequence

from qat.data.classes_seen import ClassGuess
from qat.data.survey import Survey

SHOWN_CLASSES = 30
RGB = 3


def pictures_found(seen: Survey) -> list[str]:
    """Numbers, sizes and colours of the pictures."""
    parts = ", ".join(f"{len(pairs)} for {split}" for split, pairs in seen.splits.items())
    ordered = sorted(seen.sizes.items(), key=lambda item: -item[1])
    sizes = ", ".join(f"{width}x{height} ({count})" for (width, height), count in ordered[:4])
    more = f" and {len(ordered) - 4} more sizes" if len(ordered) > 4 else ""
    mean, std = (" ".join(f"{value:.3f}" for value in values) for values in (seen.mean, seen.std))
    lines = [f"pictures: {seen.count} ({parts}), of {seen.read} read: {sizes}{more}; mean {mean}, deviation {std}"]
    if len(ordered) > 1:
        lines.append("the int8 graph takes one size, TEST.IMAGE_SIZE: scale pictures of other sizes first")
    return lines


def labels_found(seen: Survey, guess: ClassGuess) -> list[str]:
    """The labels' values with their shares, and what is missing."""
    if not seen.values:
        return ["labels: none; every stage is measured by its distance from float"]
    names = {value: name for name, ids in guess.classes for value in ids}
    parts = [
        f"{one.value} ({names.get(one.value, 'ignored')}) {one.share:.2%} in {one.files}"
        for one in seen.values[:SHOWN_CLASSES]
    ]
    more = f" and {len(seen.values) - SHOWN_CLASSES} more" if len(seen.values) > SHOWN_CLASSES else ""
    lines = [f"labels: values with their shares of the pixels, in {seen.labels_read} files: {', '.join(parts)}{more}"]
    present = {one.value for one in seen.values}
    unseen = [name for name, ids in guess.classes if not present & set(ids)]
    if unseen:
        lines.append(f"classes in none of these files: {', '.join(unseen)}")
    if seen.unpaired:
        lines.append(f"{seen.unpaired} pictures have no label and are left out")
    return lines


def data_guessed(seen: Survey, guess: ClassGuess, mean: Sequence[float], std: Sequence[float]) -> list[str]:
    """What the folders don't say. `mean`, `std`: that the config has."""
    named = "" if guess.colours else "; their names and colours are placeholders"
    lines = [f"classes: {guess.why}{named}"]
    if seen.made:
        lines.append("the folders have no train and val: every fifth picture is for val")
    rounded = [[round(value, 3) for value in values] for values in (mean, std)]
    what = "the network was trained with" if len(mean) == RGB else "the network was trained with the pictures' own"
    lines.append(f"{what} DATASET.MEAN {rounded[0]}, STD {rounded[1]}")
    return lines
