"""What a task is: how a network's outputs are read, held against float without labels, and scored with labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from qat.data.descriptor import ClassSet
from qat.evaluation.outputs import Outputs

Picture: TypeAlias = NDArray[np.uint8]
Prediction: TypeAlias = Any  # what the task makes of a batch's outputs: classes, boxes, points


@dataclass(frozen=True)
class Frame:
    """Where a batch's predictions lie.

    `size`: height and width of the labels, or of the pictures as they were. `canvas`: what the outputs span where the
    pictures are padded; None: `size`. `align_corners`: how maps are interpolated. `sides`: of each picture that is a
    person cut out, its box's longer side in pixels; None: the picture's. `pictures`: height and width of each picture
    that lies in `size` between grey bars; None: it fills it.
    """

    size: tuple[int, int]
    canvas: tuple[int, int] | None = None
    align_corners: bool = False
    sides: tuple[float, ...] | None = None
    pictures: tuple[tuple[int, int], ...] | None = None


class Tally(Protocol):
    """Sums over a set of pictures."""

    def score(self, prediction: Prediction, label: Any) -> None:
        """Add a batch's predictions against its labels: a tensor, or of boxes one for each picture."""

    def compare(self, prediction: Prediction, expected: Prediction) -> None:
        """Add a batch's predictions against float's."""

    def merge(self, other: Any) -> None:
        """Add the sums of another part of the set, whose pictures come after these."""

    @property
    def labelled(self) -> bool:
        """Whether any picture had a label."""

    @property
    def main(self) -> float | None:
        """The task's score, 0 to 1; None without labels."""

    @property
    def same(self) -> float | None:
        """The share (0 to 1) of predictions that are float's; None before the first comparison."""

    @property
    def apart(self) -> int:
        """How many predictions were compared, each of which differs by itself; 0 of pixels, which go together."""

    def scores(self, names: Sequence[str]) -> dict[str, Any]:
        """The scores by key, None without labels; `names`: of the classes, by which one entry has a mapping."""

    def distances(self) -> dict[str, float]:
        """The figures against float by key; empty before the first comparison."""


class Drawing(Protocol):
    """How a task is drawn over a picture (H, W, 3) RGB, which stays as it is; predictions are one picture's."""

    def prediction(self, image: Picture, prediction: Prediction, classes: ClassSet) -> Picture:
        """What a stage predicts."""

    def changes(self, image: Picture, before: Prediction, after: Prediction, classes: ClassSet) -> Picture:
        """Where a stage differs from float."""

    def truth(self, image: Picture, label: Any, classes: ClassSet) -> Picture:
        """The picture's label."""


@dataclass(frozen=True)
class Task:
    """A task: a row of `qat.evaluation.tasks.TASKS`.

    `predict` takes a batch's outputs and its frame. `tally` takes the number of classes. `fault` takes a network's
    outputs and the number of classes, and says what was expected; "" for outputs that `predict` can read.

    `score`, `second`: keys of the scores that tables show, 0 to 1; `classes`: of the mapping by class; `changed`: of
    the share (0 to 1) of predictions that aren't float's. Each `..._title` is a table's head. `kept`: what a stage
    keeps a share of, where there are no labels; `unit`: what the predictions are of. `maps`: whether the outputs are
    maps of classes over the picture. `more`: keys and heads of further shares in the stage table, `pixels`: of figures
    in pixels.
    `drawing`: of tasks other than segmentation. `grain`: the share by which a few predictions move a figure on few
    pictures, where they aren't many. `anchors`: of detection, width and height in pixels by stride.
    """

    name: str
    predict: Callable[[Outputs, Frame], Prediction]
    tally: Callable[[int], Tally]
    fault: Callable[[object, int], str]
    score: str
    score_title: str
    second: str
    second_title: str
    classes: str
    class_title: str
    changed: str
    changed_title: str
    kept: str
    unit: str
    maps: bool = False
    more: tuple[tuple[str, str], ...] = ()
    pixels: tuple[tuple[str, str], ...] = ()
    grain: float = 0.0
    drawing: Drawing | None = None
    anchors: tuple[tuple[tuple[float, float], ...], ...] = ()

    @property
    def keys(self) -> tuple[str, str, str]:
        """The keys of metrics.json by which the task's figures are known."""
        return self.score, self.classes, self.changed

    def of(self, figures: Mapping[str, Any]) -> float | None:
        """The score among `figures`; None without labels."""
        value: float | None = figures[self.score]
        return value
