"""Pictures from files, into a network's input, and to files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from qat.deploy.facts import Facts
from qat.deploy.input_form import InputForm, fitted
from qat.deploy.person_crop import whole_picture
from qat.errors import UserError

Picture = NDArray[np.uint8]  # (H, W, channels) RGB, or of one channel
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff")


def find_pictures(source: Path) -> list[Path]:
    """A picture, or those of a folder, by name; UserError where there is none."""
    found = (
        [source] if source.is_file() else sorted(path for path in source.glob("*") if path.suffix.lower() in SUFFIXES)
    )
    if not found:
        raise UserError(f"no picture at {source}; expected a file, or a folder of {', '.join(SUFFIXES)}")
    return found


def read_picture(path: Path, channels: int = 3) -> Picture:
    """A file as (H, W, channels) uint8, RGB or grey; UserError for a damaged one."""
    if channels not in (1, 3):
        raise UserError(f"{path}: pictures of {channels} channels are read by rtseg-qat infer alone")
    found = _decoded(path.read_bytes(), cv2.IMREAD_COLOR if channels == 3 else cv2.IMREAD_GRAYSCALE)
    if found is None:
        raise UserError(f"{path} is empty, damaged or no picture; expected a whole {', '.join(SUFFIXES)}")
    picture = np.asarray(found, np.uint8)
    return picture[:, :, None] if channels == 1 else np.asarray(picture[:, :, ::-1]).copy()


def _decoded(data: bytes, flag: int) -> Any:
    try:
        return cv2.imdecode(np.frombuffer(data, np.uint8), flag)
    except cv2.error:  # no bytes at all, or more pixels than OpenCV takes
        return None


def write_picture(path: Path, picture: Picture) -> None:
    """Write RGB as a PNG, whole or not at all."""
    _, data = cv2.imencode(".png", picture[:, :, ::-1])
    aside = path.with_name(f".{path.name}.part")
    try:
        aside.write_bytes(data.tobytes())
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def network_input(picture: Picture, facts: Facts) -> NDArray[Any]:
    """What the network takes for a picture of any size.

    Args:
        picture: (H, W, channels) uint8.
        facts: of the file.

    Returns:
        (1, channels, height, width), as `fitted` gives it.

    Example:
        >>> from qat.deploy.facts import EXAMPLE, facts_of
        >>> x = network_input(np.full((25, 36, 3), 255, np.uint8), facts_of(EXAMPLE))
        >>> x.shape, x[0, 0, 49, 0].item(), x[0, 0, 50, 0].item()
        ((1, 3, 56, 72), 2.0, 0.0)
    """
    if facts.task == "keypoints":  # a picture is one person, at its own aspect ratio
        picture = whole_picture(picture, (facts.size[1], facts.size[0])).cut(picture)
    form = InputForm(facts.size, facts.picture, facts.mean, facts.std, facts.pixels, facts.letterbox)
    return fitted(picture, form)
