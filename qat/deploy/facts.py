"""What a file says of itself: its task, the pictures that it takes, its classes and what its outputs are.

`rtseg-qat compile` and `export` write it into a file's own metadata, and compile into model.json beside the formats
that have none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qat.deploy.letterbox import LETTERBOX
from qat.errors import UserError

Size = tuple[int, int]  # height, width
NEEDED = ("task", "input", "classes", "palette", "mean", "std")
LAYOUT, COLOUR = "NCHW", "RGB"


@dataclass(frozen=True)
class Facts:
    """A file's facts.

    `size`: height and width of its input; `picture`: of a picture before it is padded to that. `letterbox`: pictures
    keep their aspect ratio, between grey bars. `pixels`: it takes raw uint8 in place of normalised float32. `batch`:
    how many pictures at a time, 0 for any number. `output`: logits, upsampled or argmax. `anchors`: of a detector,
    width and height in pixels by stride. `skeleton`: pairs of key points that a line joins. `form`: float, int8 s8 or
    int8 u8, "" where it isn't said.
    """

    task: str
    network: str
    classes: tuple[str, ...]
    palette: NDArray[np.uint8]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    size: Size
    picture: Size
    pixels: bool = False
    batch: int = 1
    output: str = "logits"
    align_corners: bool = False
    anchors: tuple[Any, ...] = ()
    skeleton: tuple[Any, ...] = ()
    form: str = ""
    parameters: int = 0
    macs: int = 0
    letterbox: bool = False

    def canvas(self, size: Size) -> Size:
        """What the outputs span where results are wanted at `size`, their top left.

        >>> facts_of(EXAMPLE).canvas((100, 144))
        (112, 144)
        """
        height, width = (round(size[axis] * self.size[axis] / self.picture[axis]) for axis in (0, 1))
        return height, width


EXAMPLE: Mapping[str, Any] = {
    "task": "segmentation",
    "input": {
        "height": 56,
        "width": 72,
        "channels": 3,
        "type": "float",
        "batch": 1,
        "layout": LAYOUT,
        "colour": COLOUR,
    },
    "picture": {"height": 50, "width": 72},
    "fit": "pad",
    "classes": ["road", "car"],
    "palette": [[128, 64, 128], [0, 0, 142]],
    "mean": [0.5, 0.5, 0.5],
    "std": [0.25, 0.25, 0.25],
}


def facts_of(texts: Mapping[str, Any], source: object = "the file") -> Facts:
    """Reads facts.

    Args:
        texts: by key, as JSON or already read.
        source: where they are from, for messages.

    Returns:
        The facts.

    Raises:
        UserError: where one that is needed is missing, damaged, or asks for what this version doesn't do.
    """
    read = {key: read_text(value) for key, value in texts.items()}
    if missing := [key for key in NEEDED if key not in read]:
        expected = "expected a file of rtseg-qat compile or export, or its model.json beside it"
        raise UserError(f"{source} doesn't say its {', '.join(missing)}; {expected}")
    try:
        return _facts(read)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{source} has damaged facts ({error!r}); compile it again") from error


def read_text(value: Any) -> Any:
    """A value that is JSON or a plain word; others as they are.

    >>> read_text("[1, 2]"), read_text("logits"), read_text(3)
    ([1, 2], 'logits', 3)
    """
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:  # a plain text
        return value


def _facts(read: Mapping[str, Any]) -> Facts:
    given = read["input"]
    layout, colour = given.get("layout", LAYOUT), given.get("colour", COLOUR)
    if (layout, colour) != (LAYOUT, COLOUR):
        raise ValueError(f"{layout} {colour}: {LAYOUT} {COLOUR} is read")
    size = int(given["height"]), int(given["width"])
    fit = read.get("fit")
    picture = read.get("picture") if fit in ("pad", LETTERBOX) else None
    return Facts(
        task=str(read["task"]),
        network=str(read.get("network", "")),
        classes=tuple(map(str, read["classes"])),
        palette=np.array(read["palette"], np.uint8).reshape(-1, 3),
        mean=tuple(map(float, read["mean"])),
        std=tuple(map(float, read["std"])),
        size=size,
        picture=(int(picture["height"]), int(picture["width"])) if picture else size,
        pixels=given.get("type") == "uint8",
        batch=int(given.get("batch", 1)),
        output=str(read.get("output", "logits")),
        align_corners=bool(read.get("align_corners", False)),
        anchors=tuple(read.get("anchors", ())),
        skeleton=tuple(read.get("skeleton", ())),
        form=str(read.get("form", "")),
        parameters=int(read.get("parameters", 0)),
        macs=int(read.get("macs", 0)),
        letterbox=fit == LETTERBOX,
    )
