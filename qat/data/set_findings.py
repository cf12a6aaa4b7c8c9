"""What a split or list of a data set holds: its pictures, their sizes, its labels' encoding and classes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from rich.table import Table

from qat.data.label_counts import LabelCounts, count_labels, remarks
from qat.data.loading import evenly_spaced
from qat.data.segmentation import SegmentationDataset
from qat.tables import slim_table

MOST = 24  # pictures of a set that are read, evenly spaced


@dataclass(frozen=True)
class SetFindings:
    """A set's pictures. `sizes`: "width x height" of those read and how many have it.

    `encodings`: of the label files. `labels`: what they hold; None where there are none. `remarks`: what to know before
    a figure over this set is believed. `problem`: why it can't be read; the rest is empty then.
    """

    name: str
    pictures: int = 0
    sizes: tuple[tuple[str, int], ...] = ()
    encodings: tuple[str, ...] = ()
    labels: LabelCounts | None = None
    remarks: tuple[str, ...] = ()
    problem: str = ""

    @property
    def summary(self) -> str:
        """The set in a line."""
        if self.problem:
            return f"{self.name}: {self.problem}"
        sizes = ", ".join(f"{count} of {size}" for size, count in self.sizes)
        read, held = sum(count for _, count in self.sizes), "no labels"
        if self.labels:
            whole = max(1, sum(self.labels.pixels) + self.labels.ignored)
            held = f"labels are {', '.join(self.encodings)}, {self.labels.ignored / whole:.2%} of pixels are ignored"
            if self.labels.unit != "pixels":
                held = f"labels are {', '.join(self.encodings)}: {sum(self.labels.pixels)} {self.labels.unit}"
        return f"{self.name}: {self.pictures} pictures; {read} were read: {sizes}; {held}"


def find_in(name: str, dataset: SegmentationDataset) -> SetFindings:
    """Reads some pictures of a set, evenly spaced; UserError for one that can't be used."""
    chosen = evenly_spaced(len(dataset), MOST)
    sizes = Counter("{1} x {0}".format(*dataset[index]["image"].shape) for index in chosen)
    labelled = all(entry.label is not None for entry in dataset.entries)
    counts = count_labels(dataset, chosen) if labelled else None
    encodings = tuple(sorted({encoding.name for encoding in dataset.encodings})) if labelled else ()
    said = tuple(remarks(counts)) if counts else ()
    return SetFindings(name, len(dataset), tuple(sizes.most_common()), encodings, counts, said)


def class_table(sets: tuple[SetFindings, ...]) -> Table:
    """The share of the counted pixels that each class has, in per cent, and the label files that hold it."""
    read = [(one.name, one.labels) for one in sets if one.labels is not None]
    columns = [
        f"{name}\n{what}"
        for name, labels in read
        for what in (f"% of {labels.unit}", f"in how many\nof {labels.read} files")
    ]
    table = slim_table(("class", *columns), left=("class",), wraps=("class",), title="Data")
    for index, name in enumerate(read[0][1].names if read else ()):
        table.add_row(name, *(cell for _, labels in read for cell in _cells(labels, index)))
    return table


def _cells(labels: LabelCounts, index: int) -> tuple[str, str]:
    counted = sum(labels.pixels)
    return f"{100 * labels.pixels[index] / counted:.2f}" if counted else "", str(labels.files[index])
