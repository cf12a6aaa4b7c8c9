"""Whether a network's outputs are the classes in another order: a checkpoint of another data set's order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

GAIN = 0.2  # of mIoU, above which another order is likely the right one


@dataclass(frozen=True)
class ClassOrder:
    """The class (an index) that each output most likely means, and the mean IoU of labelled classes as it is and so."""

    classes: tuple[int, ...]
    before: float
    after: float

    @property
    def gain(self) -> float:
        """The rise of mIoU, 0 to 1."""
        return self.after - self.before


def likely_order(counts: Tensor) -> ClassOrder:
    """Finds the order of classes with the best mIoU.

    Args:
        counts: pixels (classes, classes), rows are labels, columns predictions.

    Returns:
        The best order, over the classes that the labels hold; the order as it is where none is better.

    Example:
        >>> import torch
        >>> order = likely_order(torch.tensor([[0, 90, 10], [80, 0, 0], [0, 5, 60]]))
        >>> order.classes, order.before < 0.3, order.after > 0.8
        ((1, 0, 2), True, True)
    """
    table = counts.double().numpy()
    held = table.sum(1) > 0
    union = table.sum(1)[:, None] + table.sum(0)[None] - table
    iou = np.divide(table, union, out=np.zeros_like(table), where=union > 0) * held[:, None]
    classes = assignment(1 - iou - 1e-9 * np.eye(len(iou)))  # of equal orders the one as it is
    most = max(int(held.sum()), 1)
    after = float(iou[classes, range(len(classes))].sum()) / most
    return ClassOrder(tuple(classes), float(iou.trace()) / most, after)


def order_remark(counts: Tensor, names: Sequence[str]) -> str:
    """Returns a line on the likely order of the classes called `names`; "" where no other gains more than GAIN."""
    order = likely_order(counts)
    if order.gain <= GAIN:
        return ""
    likely = ", ".join(names[index] for index in order.classes)
    return (
        f"the outputs are likely classes in another order: mIoU {order.before:.2%} would be {order.after:.2%} with "
        f"{likely}; name the data set that has the checkpoint's order, or write its descriptor (datasets/README.md)"
    )


def assignment(cost: NDArray[np.float64]) -> list[int]:
    """Returns a row for each column, each once, with the lowest sum of costs (the Hungarian method: Kuhn 1955).

    >>> assignment(np.array([[4.0, 1.0], [2.0, 9.0]]))
    [1, 0]
    """
    size = len(cost)
    rows, columns = np.zeros(size), np.zeros(size)  # the duals
    row_of = np.full(size, -1)
    for start in range(size):
        slack, came, done = np.full(size, np.inf), np.full(size, -1), np.zeros(size, bool)
        row, last = start, -1
        while True:
            reduced = cost[row] - rows[row] - columns
            nearer = ~done & (reduced < slack)
            slack[nearer], came[nearer] = reduced[nearer], last
            column = int(np.where(done, np.inf, slack).argmin())
            step = slack[column]
            rows[start] += step
            rows[row_of[done]] += step
            columns[done] -= step
            slack[~done] -= step
            done[column] = True
            last = column
            if row_of[column] < 0:
                break
            row = int(row_of[column])
        while last >= 0:  # along the path, each column takes the row of the one before
            before = int(came[last])
            row_of[last] = row_of[before] if before >= 0 else start
            last = before
    return [int(row) for row in row_of]
