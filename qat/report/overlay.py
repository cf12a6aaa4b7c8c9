"""Pictures of predictions: classes as colours over the image, panels side by side, a legend."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from qat.deploy.draw_classes import draw_classes
from qat.errors import UserError
from qat.files import atomic_path

Picture = NDArray[np.uint8]  # (H, W, 3) RGB

FONT = cv2.FONT_HERSHEY_SIMPLEX
INK, PAPER = (32, 32, 32), (255, 255, 255)
LINE = 24  # pixels, height of a line of text


def overlay(image: Picture, classes: NDArray[np.uint8], palette: Picture, alpha: float = 0.6) -> Picture:
    """Blend the colours of `classes` (H, W) over `image`; a class without a colour (void, 255) stays as it is.

    `palette` is (classes, 3) RGB, `alpha` the share of the colour, 0 to 1. UserError if the sizes differ.
    """
    if image.shape[:2] != classes.shape:
        raise UserError(f"image is {image.shape[:2]}, classes are {classes.shape}; expected one size (H, W)")
    return draw_classes(image, classes, palette, alpha)


def panel(titled: Sequence[tuple[str, Picture]], gap: int = 8) -> Picture:
    """Pictures of one height side by side, each under its title."""
    columns = [np.vstack([_line(title, picture.shape[1]), picture]) for title, picture in titled]
    space = np.full((columns[0].shape[0], gap, 3), PAPER, np.uint8)
    parts = [part for column in columns for part in (space, column)]
    return np.hstack(parts[1:])


def legend(names: Sequence[str], palette: Picture, width: int) -> Picture:
    """A strip (n * LINE, width, 3) with every class's colour and name, in as many lines as it needs."""
    cell = max(_text_width(name) for name in names) + LINE + 12
    columns = max(1, width // cell)
    rows = -(-len(names) // columns)
    strip = np.full((rows * LINE, width, 3), PAPER, np.uint8)
    for index, (name, colour) in enumerate(zip(names, palette, strict=True)):
        _entry(strip, name, colour.tolist(), (index % columns) * cell, (index // columns) * LINE)
    return strip


def with_legend(picture: Picture, names: Sequence[str], palette: Picture) -> Picture:
    """The picture above its legend."""
    return np.vstack([picture, legend(names, palette, picture.shape[1])])


def save(path: str | Path, picture: Picture) -> None:
    """Write a picture, whole or not at all, as what the path's suffix names; UserError for an unknown suffix."""
    try:
        written, data = cv2.imencode(Path(path).suffix, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    except cv2.error:
        written = False
    if not written:
        raise UserError(f"can't write a picture as {path}: expected a name that ends in .png or .jpg")
    with atomic_path(path) as aside:
        aside.write_bytes(data.tobytes())


def _line(text: str, width: int) -> Picture:
    line = np.full((LINE, width, 3), PAPER, np.uint8)
    return _write(line, text, 4, 0)


def _entry(strip: Picture, name: str, colour: Sequence[int], x: int, y: int) -> None:
    cv2.rectangle(strip, (x + 4, y + 4), (x + LINE - 4, y + LINE - 4), tuple(colour), cv2.FILLED)
    _write(strip, name, x + LINE + 2, y)


def _write(picture: Picture, text: str, x: int, y: int) -> Picture:
    cv2.putText(picture, text, (x, y + LINE - 7), FONT, 0.5, INK, 1, cv2.LINE_AA)
    return picture


def _text_width(text: str) -> int:
    return cv2.getTextSize(text, FONT, 0.5, 1)[0][0]
